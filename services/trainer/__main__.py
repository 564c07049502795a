"""`python -m services.trainer`."""

from services.trainer.app import create_app
from services.trainer.settings import Settings

if __name__ == "__main__":
    create_app(Settings()).run()  # pyright: ignore[reportCallIssue]  # the environment fills what is required
