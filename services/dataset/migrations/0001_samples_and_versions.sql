-- A sample as this service heard of it. Approval and rejection may arrive in any order: the newest approval (highest
-- revision) is kept, and the last word (by the time it was said) decides whether the sample is live.
-- line: the sample's part of its manifest line, written once on arrival; labels: one per box.
create table sample (
    sample_id uuid primary key,
    workflow text not null,
    line text,
    camera_id text,
    captured_at timestamptz,
    labels text[] not null default '{}',
    annotation_revision int,
    leakage_group text,
    approved_at timestamptz,
    rejected_at timestamptz,
    rejection_reason text,
    live boolean not null generated always as
        (approved_at is not null and (rejected_at is null or approved_at > rejected_at)) stored
);
create index sample_live on sample (workflow, sample_id) where live;
create index sample_withdrawn on sample (workflow) where not live and leakage_group is not null;

-- Near-duplicates, never forgotten: what resembled once must not cross splits later.
create table link (
    sample_id uuid not null,
    other_id uuid not null,
    workflow text not null,
    primary key (sample_id, other_id)
);
create index link_workflow on link (workflow);

-- What changed since the last version. A build deletes exactly the numbers it has read; a sample that changes again
-- meanwhile has a new number and stays.
create table pending (
    sample_id uuid primary key,
    number bigint not null generated always as identity,
    workflow text not null,
    changed_at timestamptz not null default now(),
    event_id uuid not null,
    correlation_id text not null
);
create unique index pending_number on pending (number);
create index pending_age on pending (workflow, changed_at);

-- A sample's place, given once. leakage_key and camera_id are those it had then.
create table place (
    sample_id uuid primary key,
    workflow text not null,
    split text not null check (split in ('train', 'val', 'test')),
    leakage_group text not null,
    leakage_key text not null,
    camera_id text not null,
    since int not null
);
create index place_workflow on place (workflow, since);

-- A number is bound to the bytes of one manifest before they are written: whoever writes there writes the same bytes.
create table version_number (
    workflow text not null,
    number int not null,
    manifest_sha256 text not null,
    primary key (workflow, number)
);

create table dataset_version (
    id uuid primary key,
    workflow text not null,
    number int not null,
    parent int,
    task text not null,
    classes text[] not null,
    manifest jsonb not null,
    content_sha256 text not null,
    counts jsonb not null,
    boxes_per_class jsonb not null,
    left_out jsonb not null,
    added int not null,
    removed int not null,
    changed int not null,
    job_id uuid not null,
    requested_by text,
    reason text not null,
    built_at timestamptz not null default now(),
    unique (workflow, number),
    -- Versions form a chain: of two builds that started from the same version, one wins.
    constraint one_child unique nulls not distinct (workflow, parent)
);

create table version_change (
    version_id uuid not null references dataset_version (id),
    sample_id uuid not null,
    what text not null check (what in ('added', 'removed', 'changed')),
    primary key (version_id, sample_id)
);

create table version_left_out (
    version_id uuid not null references dataset_version (id),
    sample_id uuid not null,
    reason text not null,
    primary key (version_id, sample_id)
);

-- Why a workflow has no newer version yet.
create table outlook (
    workflow text primary key,
    reason text not null,
    since timestamptz not null default now()
);
