"""Loops no event triggers: the review queue is measured, and clips are looked at as leased jobs."""
