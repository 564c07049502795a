"""`python -m services.dataset`."""

from services.dataset.app import create_app
from services.dataset.settings import Settings

if __name__ == "__main__":
    create_app(Settings()).run()  # pyright: ignore[reportCallIssue]  # filled from the environment
