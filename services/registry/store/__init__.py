"""SQL of the registry, and the shelf its files lie on."""
