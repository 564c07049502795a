"""Plumbing tables every service's schema has: inbox, outbox, jobs, tokens, workflows."""
