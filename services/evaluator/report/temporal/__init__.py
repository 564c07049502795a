"""What the report of a clip model says."""
