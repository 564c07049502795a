"""`python -m libs.common.migrating`: bring the schema of every service up to date, once, before any of them starts.

What `camloop migrate` does, for an image that has no command line: it needs DATABASE_URL and nothing else.
"""

import asyncio
import sys
from importlib.resources import files

from pydantic import Field
from pydantic_settings import BaseSettings

from libs.common.postgres import migrate_all


class Settings(BaseSettings):
    """Where the database is; the account must be allowed to create schemas and roles."""

    database_url: str = Field(validation_alias="DATABASE_URL")


def services_here() -> list[str]:
    """Every service whose migrations are part of this image, by name."""
    return sorted(entry.name for entry in files("services").iterdir() if (entry / "migrations").is_dir())


def main() -> None:
    """Migrate, and say what was applied."""
    settings = Settings()  # pyright: ignore[reportCallIssue]  # the environment fills it
    for service, applied in asyncio.run(migrate_all(settings.database_url, services_here())).items():
        sys.stdout.write(f"{service}: {', '.join(applied) or 'up to date'}\n")


if __name__ == "__main__":
    main()
