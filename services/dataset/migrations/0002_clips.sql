-- Clips have segments instead of boxes: `labels` holds the step of each, `seconds` how long it lasts.
alter table sample add column seconds double precision[] not null default '{}';
alter table dataset_version add column seconds_per_step jsonb not null default '{}';
