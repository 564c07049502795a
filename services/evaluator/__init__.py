"""Hears model.trained, evaluation.requested, model.promoted, model.rolled_back, workflow.changed.

Says model.evaluated, evaluation.failed. Owns evaluations and `reports/`: how good the artifact that ships is.
"""
