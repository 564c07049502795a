"""What a service hears, as an AsyncAPI 3.0 document: enough for a stranger to write a producer from it alone."""

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

from pydantic.json_schema import models_json_schema

from libs.common.events import Event, Media, all_events
from libs.common.settings import CommonSettings

INTRODUCTION = cleandoc("""
    Messages are CloudEvents 1.0 in Kafka's binary mode: attributes are headers, the value is the JSON body, UTF-8, below
    1 MiB. The key is required: events of one subject stay in order. Unknown fields and headers are ignored.

    Send an event again with the same `ce_id`, or without CloudEvents headers the same body: it acts once.
    Values that break their schema go to the dead letters with the reason; what follows them is not held up.
""")
MEDIA = cleandoc("""
    Bytes never travel in events. Put them into the object store first: `POST /v1/uploads` of ingest (openapi-ingest.json)
    answers with a link to PUT them at and with the `uri` to name here. `sha256` and `bytes` are checked on reading.
""")
SCHEMAS = "#/components/schemas/"


def asyncapi(service: str, settings: CommonSettings, heard: Iterable[str]) -> dict[str, Any]:
    """The document of a service: a channel, a message with headers, key and body, and an operation per event it hears.

    Topics of no event of ours (a test's own) are left out.
    """
    topics = frozenset(heard)
    events = sorted((event for event in all_events() if event.topic in topics), key=lambda event: event.topic)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"camloop {service}", "version": "1", "description": INTRODUCTION},
        "defaultContentType": "application/json",
        "servers": {"kafka": _server(settings)},
        "channels": {event.topic: _channel(event) for event in events},
        "operations": {f"hear.{event.topic}": _operation(event) for event in events},
        "components": {
            "messages": {event.__name__: _message(event) for event in events},
            "schemas": _schemas(events),
        },
    }


def _server(settings: CommonSettings) -> dict[str, Any]:
    encrypted = settings.kafka_security_protocol.endswith("SSL")
    return {
        "host": settings.kafka_bootstrap_servers,
        "protocol": "kafka-secure" if encrypted else "kafka",
        "description": "KAFKA_BOOTSTRAP_SERVERS of the installation; `camloop up` writes them to var/endpoints.json",
    }


def _channel(event: type[Event]) -> dict[str, Any]:
    return {
        "address": event.topic,
        "description": event.__doc__,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
    }


def _operation(event: type[Event]) -> dict[str, Any]:
    # A topic has dots, and they mean nothing in a JSON pointer.
    channel = f"#/channels/{event.topic}"
    return {
        "action": "receive",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{event.__name__}"}],
    }


def _message(event: type[Event]) -> dict[str, Any]:
    subject = f"`{event.key_field}` of the body, as UTF-8 text"
    key = {"type": "string", "description": subject}
    return {
        "name": event.topic,
        "title": event.__name__,
        "summary": event.__doc__,
        "contentType": "application/json",
        "headers": _headers(event, subject),
        "payload": {"$ref": f"{SCHEMAS}{event.__name__}"},
        "correlationId": {"location": "$message.header#/correlationid"},
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }


def _headers(event: type[Event], subject: str) -> dict[str, Any]:
    def text(description: str, **more: str) -> dict[str, str]:
        return {"type": "string", "description": description, **more}

    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_type", "ce_source"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": text("Names this event for ever: best a UUIDv7. The same again is the same event"),
            "ce_type": {"type": "string", "const": event.topic},
            "ce_source": text("Who says it: `/camera/line-3`", format="uri-reference"),
            "ce_time": text("When it was said: RFC 3339, in UTC", format="date-time"),
            "ce_subject": text(subject),
            "content-type": {"type": "string", "const": "application/json"},
            "traceparent": text("W3C trace context, handed on to every event that follows from this one"),
            "correlationid": text("Shared by all events that follow from one; `ce_id` where it is missing"),
            "causationid": text("`ce_id` of the event this one follows from"),
        },
    }


def _schemas(events: list[type[Event]]) -> dict[str, Any]:
    _, found = models_json_schema([(event, "validation") for event in events], ref_template=SCHEMAS + "{model}")
    schemas: dict[str, Any] = found.get("$defs", {})
    if Media.__name__ in schemas:
        schemas[Media.__name__]["description"] += f"\n\n{MEDIA}"
    return schemas
