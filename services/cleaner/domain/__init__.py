"""The cleaner's decisions: pure functions from what was captured and seen to a verdict."""
