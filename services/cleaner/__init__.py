"""The cleaner decides which snapshots are worth learning from.

Hears: snapshot.captured, review.submitted, workflow.changed. Says: sample.approved, sample.rejected,
sample.queued_for_review. Owns: samples with their verdicts, looks (perceptual hashes), annotations and reviews.
"""
