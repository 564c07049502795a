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
    band_1 int generated always as (((look >> 48) & 65535)::int) stored,
    band_2 int generated always as (((look >> 32) & 65535)::int) stored,
    band_3 int generated always as (((look >> 16) & 65535)::int) stored,
    band_4 int generated always as ((look & 65535)::int) stored,
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
-- A search by look reads one of four bands of 16 bits from an index, and the whole look beside it: never the table.
create index sample_look_1 on sample (workflow, band_1) include (look, sample_id)
    where look is not null and verdict <> 'rejected';
create index sample_look_2 on sample (workflow, band_2) include (look, sample_id)
    where look is not null and verdict <> 'rejected';
create index sample_look_3 on sample (workflow, band_3) include (look, sample_id)
    where look is not null and verdict <> 'rejected';
create index sample_look_4 on sample (workflow, band_4) include (look, sample_id)
    where look is not null and verdict <> 'rejected';

-- Samples that may be learned from and look alike, with the bits they differ by. in_1 .. in_4: the values each band may
-- have (services/cleaner/domain/looks.py); null: every look of the workflow is read. Before the first ANALYZE the planner
-- takes the hundreds of values of a band for half of the table and would read all of it four times: hence the settings.
-- Measured on two busy cores with 1,000,000 looks, at most 10 bits: 12 to 18 ms; 300 to 500 ms without bands.
create function alike(of_workflow text, to_look bigint, within int, in_1 int[], in_2 int[], in_3 int[], in_4 int[])
returns table (sample_id uuid, distance int) language sql stable rows 10
    set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select s.sample_id, bit_count((s.look # to_look)::bit(64))::int from sample s
    where s.workflow = of_workflow and s.look is not null and s.verdict <> 'rejected'
        and s.band_1 = any(in_1) and bit_count((s.look # to_look)::bit(64)) <= within
    union
    select s.sample_id, bit_count((s.look # to_look)::bit(64))::int from sample s
    where s.workflow = of_workflow and s.look is not null and s.verdict <> 'rejected'
        and s.band_2 = any(in_2) and bit_count((s.look # to_look)::bit(64)) <= within
    union
    select s.sample_id, bit_count((s.look # to_look)::bit(64))::int from sample s
    where s.workflow = of_workflow and s.look is not null and s.verdict <> 'rejected'
        and s.band_3 = any(in_3) and bit_count((s.look # to_look)::bit(64)) <= within
    union
    select s.sample_id, bit_count((s.look # to_look)::bit(64))::int from sample s
    where s.workflow = of_workflow and s.look is not null and s.verdict <> 'rejected'
        and s.band_4 = any(in_4) and bit_count((s.look # to_look)::bit(64)) <= within
    union
    select s.sample_id, bit_count((s.look # to_look)::bit(64))::int from sample s
    where in_1 is null and s.workflow = of_workflow and s.look is not null and s.verdict <> 'rejected'
        and bit_count((s.look # to_look)::bit(64)) <= within
$$;

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
