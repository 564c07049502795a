"""Builds immutable, leak-free dataset versions.

Hears `sample.approved`, `sample.rejected`, `dataset.build_requested`, `workflow.changed`, `token.changed`.
Says `dataset.built`, `dataset.build_failed`.
Owns approved samples as it heard of them, splits, dataset versions and `datasets/` in the object store.
"""
