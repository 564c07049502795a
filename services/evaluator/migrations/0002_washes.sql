-- How right the champion was measured to be: what is said in its name carries that along.
alter table champion add column metrics jsonb not null default '{}';
