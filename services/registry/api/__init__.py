"""HTTP routes: reading, and moving aliases."""
