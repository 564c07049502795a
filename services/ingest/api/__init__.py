"""HTTP routes: snapshots, links to upload with, cameras and their tokens."""
