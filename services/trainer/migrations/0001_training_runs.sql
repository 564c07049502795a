create table dataset_version (
    id uuid primary key,
    workflow text not null,
    version int not null,
    built jsonb not null,
    unique (workflow, version)
);

-- A run is what was asked for; its job (same id) is the work. A run without a job waits for a dataset version.
create table training_run (
    id uuid primary key,
    workflow text not null,
    dataset_version_id uuid references dataset_version (id),
    backend text not null,
    hyperparameters jsonb not null,
    seed int not null,
    priority int not null default 0,
    requested_by text not null,
    reason text not null,
    correlation_id text not null,
    cause_id uuid not null,
    waits_for text,
    cancelled boolean not null default false,
    requested_at timestamptz not null default now()
);
create index training_run_waiting on training_run (workflow) where dataset_version_id is null;
