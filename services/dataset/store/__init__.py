"""All SQL of the dataset service: samples as they were heard of, and versions as they were built."""
