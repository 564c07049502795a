"""The child process that trains: `python -m services.trainer.training --spec run.json` (see `protocol.py`)."""
