"""What the events say about their subjects. Pure."""
