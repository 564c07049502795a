-- Made from `event` and from nothing else: each row is a function of the events of its subject, in whatever order they came.
create table snapshot (
    snapshot_id text primary key,
    camera_id text not null,
    workflow text,
    captured_at timestamptz not null,
    image jsonb not null,
    at timestamptz not null,
    event_id uuid not null
);
create index snapshot_camera on snapshot (camera_id, captured_at);

create table sample (
    sample_id uuid primary key,
    workflow text not null,
    verdict text not null,
    reason text,
    decided_by text,
    decided_at timestamptz not null,
    revision int not null,
    kind text not null,
    camera_id text,
    captured_at timestamptz,
    snapshot_id text,
    media jsonb,
    annotations jsonb not null,
    suggestions jsonb not null,
    priority double precision,
    leakage_group text,
    duplicate_of uuid,
    measures jsonb not null,
    detail text,
    event_id uuid not null
);
create index sample_verdict on sample (workflow, verdict, reason);
create index sample_queue on sample (workflow, priority desc, decided_at) where verdict = 'queued';
create index sample_camera on sample (camera_id, captured_at);
create index sample_newest on sample (decided_at desc);
create index sample_snapshot on sample (snapshot_id);

create table dataset_version (
    dataset_version_id uuid primary key,
    workflow text not null,
    version int not null,
    task text not null,
    classes jsonb not null,
    manifest jsonb not null,
    counts jsonb not null,
    boxes_per_class jsonb not null,
    parent_version int,
    requested_by text,
    added int not null,
    removed int not null,
    changed int not null,
    left_out jsonb not null,
    built_at timestamptz not null,
    reused_times int not null,
    event_id uuid not null
);
create index dataset_version_number on dataset_version (workflow, version);

create table training_run (
    training_run_id uuid primary key,
    workflow text not null,
    state text not null,
    reason text,
    waits_for text,
    requested_by text,
    requested_because text,
    cancel_requested text,
    dataset_version_id uuid,
    backend text,
    hyperparameters jsonb not null,
    seed int,
    attempt int,
    device text,
    device_name text,
    owner text,
    epoch int,
    epochs int,
    eta_seconds double precision,
    metrics jsonb not null,
    hint text,
    licence text,
    duration_seconds double precision,
    artifacts jsonb not null,
    evaluation jsonb,
    requested_at timestamptz not null,
    started_at timestamptz,
    changed_at timestamptz not null,
    finished_at timestamptz
);
create index training_run_workflow on training_run (workflow, requested_at desc);
create index training_run_dataset on training_run (dataset_version_id);

create table training_epoch (
    training_run_id uuid not null,
    attempt int not null,
    epoch int not null,
    epochs int not null,
    metrics jsonb not null,
    eta_seconds double precision,
    at timestamptz not null,
    event_id uuid not null,
    primary key (training_run_id, attempt, epoch)
);

-- `position` grows with arrival: what a reader goes on after. `at` is part of the key because an attempt that was given
-- back is counted again from 1.
create table training_log (
    training_run_id uuid not null,
    attempt int not null,
    seq int not null,
    at timestamptz not null,
    level text not null,
    text text not null,
    position bigint not null,
    primary key (training_run_id, attempt, seq, at)
);
create index training_log_position on training_log (training_run_id, position);

create table model_version (
    model text not null,
    version int not null,
    workflow text not null,
    training_run_id uuid not null,
    evaluation_id uuid not null,
    dataset_version_id uuid not null,
    metrics jsonb not null,
    gate jsonb not null,
    licence text not null,
    lineage jsonb not null,
    artifacts jsonb not null,
    registered_at timestamptz not null,
    evaluated_at timestamptz not null,
    event_id uuid not null,
    primary key (model, version)
);
create index model_version_run on model_version (training_run_id);

create table alias_change (
    event_id uuid primary key,
    model text not null,
    alias text not null,
    deed text not null check (deed in ('promoted', 'rolled back', 'refused')),
    before_version int,
    after_version int,
    by text not null,
    reason text not null,
    at timestamptz not null
);
create index alias_change_history on alias_change (model, alias, at desc, event_id desc);

create table prediction (
    event_id uuid primary key,
    camera_id text not null,
    model text not null,
    version int not null,
    images bigint not null,
    at timestamptz not null
);
create index prediction_camera on prediction (camera_id, at desc);

create table workflow_revision (
    workflow text not null,
    revision int not null,
    definition jsonb not null,
    changed_by text not null,
    at timestamptz not null,
    event_id uuid not null,
    primary key (workflow, revision)
);

-- A rebuild works here, out of sight, and then changes places with the tables above.
create schema console_shadow;
create table console_shadow.snapshot (like snapshot including all);
create table console_shadow.sample (like sample including all);
create table console_shadow.dataset_version (like dataset_version including all);
create table console_shadow.training_run (like training_run including all);
create table console_shadow.training_epoch (like training_epoch including all);
create table console_shadow.training_log (like training_log including all);
create table console_shadow.model_version (like model_version including all);
create table console_shadow.alias_change (like alias_change including all);
create table console_shadow.prediction (like prediction including all);
create table console_shadow.workflow_revision (like workflow_revision including all);
grant usage on schema console_shadow to camloop_console;
grant select, insert, update, delete on all tables in schema console_shadow to camloop_console;
