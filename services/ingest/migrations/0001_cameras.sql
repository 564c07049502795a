create table camera (
    camera_id text primary key,
    title text,
    registered_at timestamptz not null default now(),
    last_snapshot_at timestamptz
);

-- A row is written before the bytes are stored: an id belongs to the first picture that claims it, also when two arrive
-- at once. `announced_at` is set with the event, so a crash in between is repaired by sending the snapshot again.
create table snapshot (
    snapshot_id text primary key,
    camera_id text not null references camera,
    captured_at timestamptz not null,
    workflow text,
    image jsonb not null,
    sha256 text not null,
    received_at timestamptz not null default now(),
    announced_at timestamptz,
    unique (camera_id, captured_at, sha256)
);
