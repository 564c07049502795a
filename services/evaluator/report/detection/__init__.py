"""What the report of a detector says."""
