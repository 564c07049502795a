"""The dataset service's schema, forward only."""
