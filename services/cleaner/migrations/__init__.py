"""The cleaner's own tables."""
