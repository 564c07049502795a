"""Hears model.evaluated, promotion.requested, rollback.requested, prediction.reported.
Says model.registered, model.promoted, model.rolled_back, promotion.rejected.
Owns model versions, their files under `models/`, aliases with their audit trail, and what cameras report.
"""
