"""Hears dataset.built, training.requested, training.cancel_requested. Says training.*, model.trained.
Decides what to train next, where, and whether to resume or to fail.
Owns training runs, checkpoints and artifacts; the training itself is a child process (`training/`).
"""
