"""Judges clip models by the segments people marked, and by the verdicts they lead to."""
