"""Judges detectors by the boxes people drew."""
