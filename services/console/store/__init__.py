"""SQL of the console's own tables."""
