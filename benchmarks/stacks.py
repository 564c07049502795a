"""Settings of a service that works on a stack of the benchmark's own."""

from typing import Any

import asyncpg

from libs.common.settings import CommonSettings
from libs.local.stack import LocalStack


def environment_of(stack: LocalStack) -> dict[str, str]:
    """The variables of a service process, as `camloop up` would set them."""
    return stack.environment() | {"CAMLOOP_ADMIN_TOKEN": "benchmark-0123456789-0123456789", "LOG_LEVEL": "WARNING"}


def settings_of(stack: LocalStack) -> CommonSettings:
    """The same as settings."""
    return CommonSettings.model_validate(environment_of(stack))


async def value(stack: LocalStack, statement: str, *arguments: object) -> Any:
    """The first column of the first row, across all schemas."""
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()
