"""A multipart body, read with a limit: what is too large is refused while it arrives, never after it was stored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from libs.common.errors import Permanent

METADATA_BYTES = 1024 * 1024
"""Room for the metadata and the multipart borders beside the file."""


@asynccontextmanager
async def limited_form(request: Request, *, maximum_bytes: int) -> AsyncIterator[FormData]:
    """The form of a request. Raises 413 as soon as more than the file's limit (and some metadata) has arrived."""
    maximum = maximum_bytes + METADATA_BYTES
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > maximum:
        raise too_large(maximum_bytes)
    form = await _parsed(Request(request.scope, _counting(request, maximum, maximum_bytes)))
    try:
        yield form
    finally:
        await form.close()


async def _parsed(counted: Request) -> FormData:
    try:
        return await counted.form(max_files=2, max_fields=2, max_part_size=METADATA_BYTES)
    except ClientDisconnect as error:
        raise HTTPException(400, "The upload ended before its end: send it again") from error
    except UnicodeError as error:  # of a charset like `idna`, which is none for text
        raise HTTPException(400, f"The form can't be read in the charset it names: {error}") from error


def _counting(request: Request, maximum: int, limit: int) -> Any:
    arrived = 0

    async def receive() -> Message:
        nonlocal arrived
        message = await request.receive()
        arrived += len(message.get("body", b""))
        if arrived > maximum:
            raise too_large(limit)
        return message

    return receive


def too_large(limit: int) -> HTTPException:
    """413, with the limit in it."""
    return HTTPException(413, f"The file is larger than {limit} bytes: send a smaller or more compressed one")


async def image_bytes(form: FormData, *, maximum_bytes: int) -> bytes:
    """The part `image`."""
    data = await file_part(form, "image", "picture").read()
    if len(data) > maximum_bytes:
        raise too_large(maximum_bytes)
    return data


def file_part(form: FormData, name: str, what: str) -> UploadFile:
    """The uploaded file of a part. Its file name and declared type mean nothing."""
    part = form.get(name)
    if not isinstance(part, UploadFile):
        raise Permanent(f"The {what} is missing: send multipart/form-data with a file in the part `{name}`")
    return part


async def metadata_text(form: FormData) -> bytes:
    """The part `metadata`, sent as a field or as a file; `{}` when there is none."""
    part = form.get("metadata")
    text = await part.read() if isinstance(part, UploadFile) else (part or "{}").encode()
    if len(text) > METADATA_BYTES:
        raise HTTPException(
            413, f"The metadata have more than {METADATA_BYTES} bytes: send what they describe as objects"
        )
    return text
