create table inbox (
    consumer text not null,
    event_id uuid not null,
    received_at timestamptz not null default now(),
    primary key (consumer, event_id)
);
create index inbox_age on inbox (received_at);

create table outbox (
    seq bigint generated always as identity primary key,
    event_id uuid not null,
    topic text not null,
    key bytea not null,
    headers jsonb not null,
    value bytea,
    available_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    xid xid8 not null default pg_current_xact_id(),
    unique (event_id, topic)
);
create index outbox_order on outbox (xid, seq);

create table job (
    id uuid primary key,
    kind text not null,
    spec jsonb not null,
    dedupe_key text not null unique,
    state text not null default 'queued'
        check (state in ('queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled')),
    reason text,
    attempt int not null default 0,
    max_attempts int not null default 5,
    priority int not null default 0,
    run_after timestamptz not null default now(),
    created_at timestamptz not null default now(),
    lease_token uuid,
    lease_owner text,
    lease_until timestamptz,
    checkpoint_uri text,
    progress jsonb not null default '{}',
    result jsonb,
    error text,
    check ((lease_token is null) = (lease_until is null)),
    check ((state = 'running') = (lease_token is not null))
);
create index job_claim on job (kind, priority desc, run_after) where state in ('queued', 'running');

create table token (
    id uuid primary key,
    sha256 text not null unique,
    scopes text[] not null,
    camera_id text,
    label text not null,
    issued_at timestamptz not null,
    revoked_at timestamptz,
    last_used_at timestamptz
);

create table workflow (
    name text primary key,
    revision int not null,
    definition jsonb not null
);
