"""`camloop demo`: the whole loop on this machine, twice around, as cameras and a reviewer see it."""
