"""Loops no event triggers: one looks at the policies, one works through build jobs."""
