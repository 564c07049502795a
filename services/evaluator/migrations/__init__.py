"""The evaluator's tables, forward only."""
