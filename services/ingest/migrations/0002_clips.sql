-- As `snapshot`: a row is written before the bytes are stored, `announced_at` is set with the event.
create table clip (
    clip_id text primary key,
    camera_id text not null references camera,
    captured_at timestamptz not null,
    workflow text not null,
    video jsonb not null,
    sha256 text not null,
    received_at timestamptz not null default now(),
    announced_at timestamptz,
    unique (camera_id, captured_at, sha256)
);
