"""What the forms of snapshots and clips have in common: metadata as JSON beside a file, spoken for by a camera."""

import re
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from libs.common import outbox
from libs.common.errors import NotFound, Permanent
from libs.common.events import Body, Event, to_json
from libs.common.http import Principal
from services.ingest.store import IngestStore

Metadata = TypeVar("Metadata", bound=Body)
# JSON has no other way to write it; an even number of backslashes before the `u` would be text about it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def multipart(file_part: str, metadata: type[Body]) -> dict[str, Any]:
    """The request body for OpenAPI: a file and the metadata beside it."""
    schema = metadata.model_json_schema()
    parts: dict[str, Any] = {
        file_part: {"type": "string", "format": "binary"},
        "metadata": _inlined(schema, schema.pop("$defs", {})),
    }
    form = {"type": "object", "required": [file_part], "properties": parts}
    encoding = {"metadata": {"contentType": "application/json"}}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form, "encoding": encoding}}}
    }


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    """The schema without references: they would point nowhere inside an OpenAPI document."""
    if isinstance(part, list):
        return [_inlined(each, definitions) for each in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    fields = cast("dict[str, Any]", part)
    reference = str(fields.get("$ref", "")).removeprefix("#/$defs/")
    if reference in definitions:
        return _inlined(definitions[reference], definitions)
    # JsonValue may hold anything, itself too.
    return {} if reference else {name: _inlined(each, definitions) for name, each in fields.items()}


def parse_metadata(text: bytes, kind: type[Metadata]) -> Metadata:
    """Raises `Permanent` with each wrong field and why."""
    if _NUL.search(text):
        raise Permanent("The part `metadata` is wrong: it holds the character U+0000, which no database keeps as text")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(('metadata', *map(str, e['loc'])))}: {e['msg']}" for e in error.errors())
        raise Permanent(f"The part `metadata` is wrong: {places}") from error


def check_fits(event: Event) -> None:
    """Raises `Permanent` for more than an event carries: the relay would try to send it for ever, and nothing after it."""
    size = len(to_json(event))
    if size > outbox.LARGEST_VALUE:
        raise Permanent(
            f"The metadata make an event of {size} bytes, {outbox.LARGEST_VALUE} fit: send fewer detections, segments and zone events"
        )


async def speaking_for(camera_id: str | None, principal: Principal, store: IngestStore) -> str:
    """The camera this snapshot is of. A new one is registered for its own token and for the admin, nobody else."""
    name = camera_id or principal.camera_id
    if name is None:
        raise Permanent("metadata.camera_id is missing: say which camera took it")
    principal.require_camera(name)
    try:
        await store.camera(name)
    except NotFound:
        if principal.camera_id is None and "admin" not in principal.scopes:
            raise
        await store.register(name)
    return name
