"""The one-machine stack: Kafka, PostgreSQL, S3 and the services under one supervisor, and the `camloop` command line."""
