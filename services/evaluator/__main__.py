"""`python -m services.evaluator`."""

from services.evaluator.app import create_app
from services.evaluator.settings import Settings

if __name__ == "__main__":
    create_app(Settings()).run()  # pyright: ignore[reportCallIssue]  # filled from the environment
