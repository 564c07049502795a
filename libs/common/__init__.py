"""Vocabulary and plumbing of every service: events, delivery, jobs, storage. Decides nothing about the domain."""
