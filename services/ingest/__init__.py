"""Ingest takes snapshots from cameras over HTTP: stored, checked and announced, once however often they are sent.

Hears: token.changed, workflow.changed. Says: snapshot.captured, token.changed. Owns: cameras, their tokens, uploads.
"""
