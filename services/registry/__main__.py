"""`python -m services.registry`."""

from services.registry.app import create_app
from services.registry.settings import Settings

if __name__ == "__main__":
    create_app(Settings()).run()  # pyright: ignore[reportCallIssue]  # the environment fills what is required
