"""The example camera with --kafka, on the real Kafka and S3."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from libs.common.envelope import read_envelope
from libs.common.events import SnapshotCaptured
from libs.common.kafka import event_topics, provision
from libs.common.objects import connect
from libs.common.settings import CommonSettings
from libs.local.scenes import camera_series, write_shot
from libs.local.stack import LocalStack
from tests.integration.examples.plant import Plant, RunningCamera, wait_until

pytestmark = pytest.mark.connected


async def first_of(stack: LocalStack, topic: str, key: bytes) -> ConsumerRecord[bytes, bytes]:
    """The first message with this key: other tests may have sent others."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=stack.kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async for record in consumer:
            if record.key == key:
                return record
    finally:
        await consumer.stop()
    raise AssertionError("a consumer never ends")


@pytest.mark.timeout(120)
async def test_the_bytes_lie_in_s3_and_the_event_on_its_topic(
    stack: LocalStack, settings: CommonSettings, tmp_path: Path
) -> None:
    (shot,) = camera_series("line-kafka", 1)
    objects = connect(settings)
    await objects.ensure_bucket()
    await provision(settings, event_topics())
    folder = tmp_path / "pictures"
    folder.mkdir()
    write_shot(shot, folder, annotated=True)
    with Plant().running() as plant:
        plant.upload_links[shot.sha256] = await objects.presigned_put(f"snapshots/{shot.sha256}.jpg")
        words = ("--camera", "line-kafka", "--kafka", stack.kafka_bootstrap, "--count", "1")
        camera = RunningCamera(plant, folder, *words)
        wait_until(lambda: camera.process.poll() is not None, seconds=60)
        camera.stop()
    assert camera.process.returncode == 0, camera.lines
    record = await first_of(stack, "snapshot.captured", b"line-kafka")
    event = SnapshotCaptured.model_validate_json(record.value or b"")
    envelope = read_envelope(topic=record.topic, key=record.key, headers=record.headers, value=record.value)
    assert str(envelope.event_id) == event.snapshot_id
    assert [each.label for each in event.annotations or ()] == [each.label for each in shot.annotations]
    assert await objects.get(event.image.uri, expected_sha256=shot.sha256) == shot.jpeg
