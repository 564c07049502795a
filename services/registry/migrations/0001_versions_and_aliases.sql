-- 'registering': the number is reserved and files are being copied. One version per training run, for ever.
create table model_version (
    model text not null,
    version int not null,
    training_run_id uuid not null unique,
    first_evaluation_id uuid not null,
    state text not null default 'registering' check (state in ('registering', 'registered')),
    workflow text not null,
    reserved_at timestamptz not null default now(),
    registered_at timestamptz,
    evaluated_at timestamptz,
    evaluation_id uuid,
    dataset_version_id uuid,
    dataset_version int,
    abi text,
    artifacts jsonb not null default '[]',
    metrics jsonb not null default '{}',
    per_class jsonb not null default '{}',
    per_camera jsonb not null default '{}',
    gate jsonb not null default '{}',
    licence text,
    lineage jsonb not null default '{}',
    operating_confidence jsonb not null default '{}',
    primary key (model, version),
    check (state = 'registering' or (registered_at is not null and evaluation_id is not null and abi is not null))
);
create index model_version_workflow on model_version (workflow);

create table alias (
    model text not null,
    alias text not null,
    version int not null,
    moved_at timestamptz not null default now(),
    asked_at timestamptz not null,
    primary key (model, alias),
    foreign key (model, version) references model_version (model, version)
);

-- The audit trail: who moved what, when, from where to where, and why. Rows are only ever added.
create table alias_move (
    id bigint generated always as identity primary key,
    request_id uuid not null,
    model text not null,
    alias text not null,
    before_version int,
    after_version int not null,
    deed text not null,
    forced boolean not null default false,
    by text not null,
    reason text not null,
    asked_at timestamptz not null,
    moved_at timestamptz not null default now()
);
create index alias_move_history on alias_move (model, alias, id);

-- Requests by id with their outcome, so that the same request over HTTP and over Kafka acts once.
create table alias_request (
    request_id uuid primary key,
    outcome jsonb not null,
    answered_at timestamptz not null default now()
);

create table prediction (
    event_id uuid primary key,
    model text not null,
    version int not null,
    camera_id text not null,
    at timestamptz not null,
    window_seconds double precision not null,
    images bigint not null,
    detections_per_class jsonb not null,
    confidence_histogram jsonb not null,
    latency_ms jsonb not null,
    verdicts jsonb
);
create index prediction_version on prediction (model, version, camera_id, at);
