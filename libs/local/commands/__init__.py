"""The commands of `camloop`, by subject."""
