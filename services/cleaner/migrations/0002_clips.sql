-- A clip id means one video for ever, as a snapshot id means one picture.
create table clip (
    clip_id text primary key,
    sha256 text not null,
    camera_id text not null,
    captured_at timestamptz not null,
    received_at timestamptz not null default now()
);

-- fingerprint: what tells this clip from others (libs/vision/clip_fingerprints.py); null for pictures and unreadable clips.
alter table sample
    alter column snapshot_id drop not null,
    add column kind text not null default 'image' check (kind in ('image', 'clip')),
    add column clip_id text references clip,
    add column subject_id text,
    add column fingerprint bytea,
    add column strip jsonb,
    add column preview jsonb,
    add unique (workflow, clip_id),
    add check (num_nonnulls(snapshot_id, clip_id) = 1);
create index sample_clip_seconds on sample (workflow, ((media ->> 'duration_seconds')::float8))
    where fingerprint is not null and verdict <> 'rejected';

-- What a model says of a clip, for whoever reviews it; it may come before the clip is a sample.
create table suggestion (
    workflow text not null,
    clip_id text not null,
    segments jsonb not null,
    model jsonb not null,
    primary key (workflow, clip_id)
);

alter table annotation add column segments jsonb not null default '[]';
alter table review add column segments jsonb not null default '[]';

-- A search by look answers from its indexes alone where pages are known to be visible to all, which a vacuum finds out: 4 ms
-- instead of 25 (1,000,000 looks, measured). Samples are only added, so it comes after a fiftieth of new ones, not a fifth.
alter table sample set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
