"""Measurements, each as a ratio to the other side in the same run. They never fail a build."""
