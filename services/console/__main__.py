"""`python -m services.console`."""

from services.console.app import create_app
from services.console.settings import Settings

if __name__ == "__main__":
    create_app(Settings()).run()  # pyright: ignore[reportCallIssue]  # the environment fills what is required
