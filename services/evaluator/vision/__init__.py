"""Runs what ships over the samples of a split: detectors over pictures, clip models over the features of clips."""
