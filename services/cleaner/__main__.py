"""`python -m services.cleaner`."""

from services.cleaner.app import create_app
from services.cleaner.settings import Settings

if __name__ == "__main__":
    create_app(Settings()).run()  # pyright: ignore[reportCallIssue]  # filled from the environment
