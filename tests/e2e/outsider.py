"""A producer somebody else wrote: confluent-kafka and the cloudevents package, and of camloop its AsyncAPI document only.

python outsider.py --document asyncapi.json --ingest URL --token-file FILE --camera line-3 --workflow hairnet --source FOLDER
Sends each .jpg of the folder; beside a.jpg may lie a.jpg.json with more fields of the body. Tells as JSON what it sent.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
from cloudevents.core.bindings.kafka import KafkaMessage, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import KafkaError, Message, Producer
from jsonschema import Draft202012Validator

TOPIC = "snapshot.captured"


@dataclass(frozen=True)
class Channel:
    """What the document says of one topic."""

    address: str
    bootstrap: str
    headers: dict[str, Any]
    payload: dict[str, Any]


def channel_in(document: dict[str, Any], topic: str) -> Channel:
    """The topic's channel, its first server and message. Raises KeyError where the document lacks one of them."""
    channel = document["channels"][topic]
    server = resolved(document, channel["servers"][0])
    message = resolved(document, next(iter(channel["messages"].values())))
    whole = {"components": document["components"]}  # what references point into
    return Channel(channel["address"], server["host"], message["headers"], message["payload"] | whole)


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference inside the document stands for."""
    while "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def upload(http: httpx.Client, facts: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Puts the bytes where ingest says; the `Media` to name them by."""
    media = {"sha256": sha256(data).hexdigest(), "bytes": len(data), "content_type": "image/jpeg"}
    wanted = {name: facts[name] for name in ("camera_id", "captured_at", "workflow")} | media
    place = http.post("/v1/uploads", json=wanted).raise_for_status().json()
    httpx.put(place["url"], content=data, headers=place["headers"]).raise_for_status()
    return media | {"uri": place["uri"]}


def event_of(channel: Channel, body: dict[str, Any]) -> KafkaMessage:
    """The body in its envelope. The same snapshot has the same id whenever it is sent. Raises what breaks the document."""
    attributes = {
        "id": body["snapshot_id"],
        "type": channel.headers["properties"]["ce_type"]["const"],
        "source": f"/camera/{body['camera_id']}",
        "subject": body["camera_id"],
        "time": datetime.now(UTC),
        "datacontenttype": "application/json",
    }
    message = to_binary(CloudEvent(attributes, body), JSONFormat(), key_mapper=lambda _: body["camera_id"])
    texts = {name: raw.decode() for name, raw in message.headers.items()}
    Draft202012Validator(channel.headers).validate(texts)
    Draft202012Validator(channel.payload).validate(json.loads(message.value))
    return message


def bodies(args: argparse.Namespace, http: httpx.Client) -> Iterator[dict[str, Any]]:
    """A body for each picture of the folder, its bytes uploaded."""
    for path in sorted(Path(args.source).glob("*.jpg")):
        data, beside = path.read_bytes(), Path(f"{path}.json")
        known = json.loads(beside.read_text()) if beside.exists() else {}
        facts = {"camera_id": args.camera, "workflow": args.workflow, "captured_at": datetime.now(UTC).isoformat()}
        facts |= {"snapshot_id": str(uuid5(NAMESPACE_URL, f"{args.camera} {sha256(data).hexdigest()}"))} | known
        yield facts | {"image": upload(http, facts, data)}


def publish(channel: Channel, messages: list[KafkaMessage]) -> None:
    """Returns when Kafka has all of them. Raises `RuntimeError` with the first one it refused."""
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        refused.extend([error] if error else [])

    producer = Producer({"bootstrap.servers": channel.bootstrap, "enable.idempotence": True})
    for message in messages:
        producer.produce(
            channel.address,
            value=message.value,
            key=message.key,
            headers=list(message.headers.items()),
            on_delivery=delivered,
        )
    if producer.flush(30) or refused:
        raise RuntimeError(f"not delivered: {refused or 'no answer within 30 s'}")


def main() -> int:
    """Send the folder once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("document", "ingest", "token-file", "camera", "workflow", "source"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    channel = channel_in(json.loads(Path(args.document).read_text("utf-8")), TOPIC)
    token = Path(args.token_file).read_text().strip()
    with httpx.Client(base_url=args.ingest, headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
        sent = list(bodies(args, http))
    publish(channel, [event_of(channel, body) for body in sent])
    sys.stdout.write(json.dumps({body["snapshot_id"]: body["image"]["sha256"] for body in sent}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
