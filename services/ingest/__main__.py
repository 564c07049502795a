"""`python -m services.ingest`."""

from services.ingest.app import create_app
from services.ingest.settings import Settings

if __name__ == "__main__":
    create_app(Settings()).run()  # pyright: ignore[reportCallIssue]  # filled from the environment
