"""The services of camloop, one folder each; events are their only coupling."""
