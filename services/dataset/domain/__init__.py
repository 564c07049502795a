"""When a build is worth it, what goes where, what a version lacks: pure functions on values."""
