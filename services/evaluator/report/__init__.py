"""The report of an evaluation: complete numbers as JSON, and a page that a plant manager can read."""
