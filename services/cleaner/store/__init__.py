"""All SQL of the cleaner: samples, looks, annotations and reviews; clips on their way to being samples."""
