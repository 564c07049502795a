-- Everything that was said, once, in the order it arrived here. Written under one lock, so seq is the order of commit
-- and a reader that goes on after a seq misses nothing. `problem`: why the body does not fit its type; kept, not applied.
create table event (
    seq bigint generated always as identity primary key,
    event_id uuid not null unique,
    topic text not null,
    key text not null,
    workflow text,
    source text not null,
    at timestamptz not null,
    received_at timestamptz not null default now(),
    correlation_id text not null,
    causation_id text,
    body jsonb not null,
    problem text
);
create index event_subject on event (key, topic);
create index event_topic on event (topic, workflow, seq);
create index event_correlation on event (correlation_id, seq);
create index event_cause on event (causation_id);

-- Dead letters of every consumer, as bytes: what failed may be no JSON, or nothing at all.
create table dead_letter (
    id uuid primary key,
    topic text not null,
    consumer text not null,
    event_id uuid not null,
    source text not null,
    key bytea not null,
    headers jsonb not null,
    value bytea,
    error text not null,
    attempt int not null,
    origin_partition int,
    origin_offset bigint,
    dead_offset bigint not null,
    state text not null default 'open' check (state in ('open', 'replayed', 'discarded')),
    times int not null default 1,
    replays int not null default 0,
    first_at timestamptz not null,
    last_at timestamptz not null,
    decided_by text,
    decided_at timestamptz,
    decision_reason text
);
create index dead_letter_state on dead_letter (state, last_at);
create index dead_letter_event on dead_letter (event_id);

-- Workflow files as they were last read: `sha256` of the bytes that were taken over or refused.
create table workflow_file (
    name text primary key,
    sha256 text not null,
    error text,
    read_at timestamptz not null default now()
);
