-- A snapshot id means one picture for ever: the digest is the proof.
create table snapshot (
    snapshot_id text primary key,
    sha256 text not null,
    camera_id text not null,
    captured_at timestamptz not null,
    received_at timestamptz not null default now()
);

create table sample (
    sample_id uuid primary key,
    workflow text not null,
    snapshot_id text not null references snapshot,
    camera_id text not null,
    captured_at timestamptz not null,
    media jsonb not null,
    leakage_group text not null,
    verdict text not null check (verdict in ('approved', 'rejected', 'queued')),
    look bigint,
    measures jsonb not null default '{}',
    reason text,
    detail text,
    duplicate_of uuid,
    near_duplicates uuid[] not null default '{}',
    suggestions jsonb not null default '[]',
    revision int not null default 0,
    decided_by text,
    priority double precision not null default 0,
    why text,
    waiting boolean not null default false,
    created_at timestamptz not null default now(),
    decided_at timestamptz not null default now(),
    unique (workflow, snapshot_id),
    check ((verdict = 'rejected') = (reason is not null))
);
create index sample_waiting on sample (workflow, priority desc) where waiting;
-- Everything a search by look reads, so that it never touches the table.
create index sample_look on sample (workflow, camera_id) include (look, sample_id, leakage_group)
    where look is not null and verdict <> 'rejected';

create table annotation (
    sample_id uuid not null references sample,
    revision int not null,
    annotations jsonb not null,
    by text not null,
    at timestamptz not null default now(),
    primary key (sample_id, revision)
);

-- Every review that was understood, also those that came too late.
create table review (
    event_id uuid primary key,
    sample_id uuid not null references sample,
    reviewer text not null,
    decision text not null,
    based_on_revision int not null,
    annotations jsonb not null,
    comment text,
    outcome text not null check (outcome in ('approved', 'rejected', 'skipped', 'agreed', 'refused')),
    detail text,
    at timestamptz not null default now()
);
create index review_of_sample on review (sample_id, at);
