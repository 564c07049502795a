"""Loops no event triggers: workflow files, dead letters, rebuilding."""
