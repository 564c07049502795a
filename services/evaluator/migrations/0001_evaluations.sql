create table training_run (
    id uuid primary key,
    workflow text not null,
    trained jsonb not null
);

-- What runs now. Promotions and rollbacks come on two topics: the later one counts, whichever arrives first.
create table champion (
    workflow text primary key,
    model text not null,
    version int not null,
    artifacts jsonb not null,
    since timestamptz not null
);

-- An evaluation is what was asked for and how it ended; its job (same id) is the work.
create table evaluation (
    id uuid primary key,
    training_run_id uuid not null,
    workflow text not null,
    requested_by text not null,
    reason text not null,
    correlation_id text not null,
    cause_id uuid not null,
    requested_at timestamptz not null default now(),
    finished_at timestamptz,
    passed boolean,
    report_uri text,
    failure text
);
create index evaluation_of_run on evaluation (training_run_id, requested_at);
