"""Hears every event. Says what people ask for: review.submitted, *_requested; and workflow.changed for workflow files.
Decides nothing: it shows what happened and turns clicks into facts.
Owns read tables made from the events (rebuilt from the topics at any time), workflow definitions, dead letters on show.
"""
