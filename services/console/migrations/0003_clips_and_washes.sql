-- Samples of clips, the clips themselves, and what models made of them.
create table clip (
    clip_id text primary key,
    camera_id text not null,
    workflow text not null,
    captured_at timestamptz not null,
    video jsonb not null,
    subject_id text,
    at timestamptz not null,
    event_id uuid not null
);
create index clip_camera on clip (camera_id, captured_at);

-- The defaults are for the rows there are, all of images. The shadow's columns stand in the same order: rows are copied whole.
alter table sample
    add column clip_id text,
    add column segments jsonb not null default '[]',
    add column suggested_segments jsonb not null default '[]',
    add column suggested_by jsonb,
    add column strip jsonb,
    add column preview jsonb,
    add column subject_id text;
alter table console_shadow.sample
    add column clip_id text,
    add column segments jsonb not null default '[]',
    add column suggested_segments jsonb not null default '[]',
    add column suggested_by jsonb,
    add column strip jsonb,
    add column preview jsonb,
    add column subject_id text;
create index sample_clip on sample (clip_id);
create index sample_clip on console_shadow.sample (clip_id);

create table wash (
    clip_id text not null,
    model text not null,
    version int not null,
    workflow text not null,
    camera_id text not null,
    captured_at timestamptz not null,
    verdict text not null check (verdict in ('compliant', 'non_compliant', 'undetermined')),
    missing_steps jsonb not null,
    segments jsonb not null,
    seconds jsonb not null,
    total_seconds double precision not null,
    reasons jsonb not null,
    visible_share double precision,
    measured_error jsonb not null,
    proof jsonb not null,
    judged_at timestamptz not null,
    event_id uuid not null,
    primary key (clip_id, model, version)
);
create index wash_workflow on wash (workflow, captured_at desc);
create index wash_camera on wash (camera_id, captured_at desc);
create index wash_newest on wash (captured_at desc);

create table console_shadow.clip (like clip including all);
create table console_shadow.wash (like wash including all);
grant select, insert, update, delete on all tables in schema console_shadow to camloop_console;
