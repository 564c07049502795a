"""The AsyncAPI document: well formed, complete, and true of what camloop itself says."""

import json
from pathlib import Path
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft202012Validator, ValidationError

from libs.common.asyncapi import asyncapi
from libs.common.envelope import uuid7
from libs.common.events import Event, all_events
from libs.common.outbox import envelope_headers
from libs.common.settings import CommonSettings

SAMPLES = Path(__file__).resolve().parents[2] / "contracts" / "samples"
EVENTS = list(all_events())


def settings(**changes: str) -> CommonSettings:
    needed = {"DATABASE_URL": "postgresql://localhost/x", "S3_ENDPOINT": "http://localhost:1", "S3_ACCESS_KEY": "a"}
    secrets = {"S3_SECRET_KEY": "b", "CAMLOOP_ADMIN_TOKEN": "only-for-this-test-of-documents"}
    return CommonSettings(_env_file=None, **(needed | secrets | {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"} | changes))


DOCUMENT = asyncapi("everything", settings(), [event.topic for event in EVENTS])


def at(reference: str) -> Any:
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [each for value in part.values() for each in references(value)]
    return [each for value in part for each in references(value)] if isinstance(part, list) else []


def payload_schema(event: type[Event]) -> dict[str, Any]:
    return DOCUMENT["components"]["messages"][event.__name__]["payload"] | {"components": DOCUMENT["components"]}


def test_it_is_an_asyncapi_document_whose_references_lead_somewhere() -> None:
    # FastStream demands a path of a server, the specification does not.
    ApplicationSchema.model_validate(DOCUMENT | {"servers": {}})
    found = references(DOCUMENT)
    assert len(found) > 4 * len(EVENTS)
    assert [reference for reference in found if at(reference) is None] == []
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_every_event_has_its_channel_its_key_and_its_body(event: type[Event]) -> None:
    channel = DOCUMENT["channels"][event.topic]
    message = at(channel["messages"][event.__name__]["$ref"])
    assert channel["address"] == message["headers"]["properties"]["ce_type"]["const"] == event.topic
    assert f"`{event.key_field}`" in message["bindings"]["kafka"]["key"]["description"]
    assert DOCUMENT["operations"][f"hear.{event.topic}"]["channel"] == {"$ref": f"#/channels/{event.topic}"}
    body = json.loads((SAMPLES / f"{event.topic}.json").read_text("utf-8"))
    Draft202012Validator(payload_schema(event)).validate(body)
    with pytest.raises(ValidationError):
        Draft202012Validator(payload_schema(event)).validate({})


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_the_headers_are_those_camloop_sends(event: type[Event]) -> None:
    schema = DOCUMENT["components"]["messages"][event.__name__]["headers"]
    body = event.model_validate_json((SAMPLES / f"{event.topic}.json").read_text("utf-8"))
    sent = envelope_headers(body, event_id=uuid7(), cause=None) | {"ce_source": "/service/any"}
    Draft202012Validator(schema).validate(sent)
    assert set(sent) <= set(schema["properties"])
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(sent | {"ce_type": "another.type"})


def test_the_server_is_where_kafka_is() -> None:
    assert DOCUMENT["servers"]["kafka"] | {"description": ""} == {
        "host": "kafka:9092",
        "protocol": "kafka",
        "description": "",
    }
    encrypted = asyncapi("x", settings(KAFKA_SECURITY_PROTOCOL="SASL_SSL"), [])
    assert encrypted["servers"]["kafka"]["protocol"] == "kafka-secure"


def test_a_picture_is_said_to_be_uploaded_first() -> None:
    assert "POST /v1/uploads" in DOCUMENT["components"]["schemas"]["Media"]["description"]
