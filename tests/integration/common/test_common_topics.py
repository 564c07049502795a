"""Topics made by code on a real broker: as specified, once, by however many at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError

from libs.common.events import all_events
from libs.common.kafka import TopicSpec, connection_arguments, event_topics, parked_topics, provision
from libs.common.settings import CommonSettings

pytestmark = pytest.mark.connected


@pytest.fixture
async def admin(settings: CommonSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**connection_arguments(settings))
    await client.start()
    yield client
    await client.close()


async def partitions(admin: AIOKafkaAdminClient, *names: str) -> dict[str, int]:
    described = await admin.describe_topics(list(names))
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def configs(admin: AIOKafkaAdminClient, name: str) -> dict[str, Any]:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {entry[0]: entry[1] for entry in response.resources[0][4]}


async def test_every_event_has_its_topic_with_partitions_for_life(
    settings: CommonSettings, admin: AIOKafkaAdminClient
) -> None:
    await provision(settings, event_topics())
    found = await partitions(admin, *(event.topic for event in all_events()))
    assert {name: count for name, count in found.items() if count == 12} == {
        name: 12 for name in found if name.startswith(("snapshot.", "clip.", "sample."))
    }
    assert {count for name, count in found.items() if not name.startswith(("snapshot.", "clip.", "sample."))} == {6}


async def test_topics_keep_what_they_are_for(settings: CommonSettings, admin: AIOKafkaAdminClient) -> None:
    consumer = f"c{uuid4().hex[:8]}"
    parked = parked_topics(consumer, ["snapshot.captured"])
    await provision(settings, [*event_topics(), *parked])
    assert (await configs(admin, "snapshot.captured"))["retention.ms"] == "-1"
    assert (await configs(admin, "training.progressed"))["retention.ms"] == str(7 * 24 * 3600 * 1000)
    assert (await configs(admin, "workflow.changed"))["cleanup.policy"] == "compact"
    for topic in (f"snapshot.captured.retry.{consumer}", f"snapshot.captured.dlq.{consumer}"):
        assert (await configs(admin, topic))["retention.ms"] == str(30 * 24 * 3600 * 1000)
        assert await partitions(admin, topic) == {topic: 1}


async def test_two_at_once_and_once_more(settings: CommonSettings, admin: AIOKafkaAdminClient) -> None:
    specs = [TopicSpec(f"t{uuid4().hex[:8]}.made", n, {"retention.ms": "60000"}) for n in (1, 3, 6)]
    await asyncio.gather(*(provision(settings, specs) for _ in range(3)))
    await provision(settings, [TopicSpec(spec.name, 2, {}) for spec in specs])
    assert await partitions(admin, *(spec.name for spec in specs)) == {spec.name: spec.partitions for spec in specs}


async def test_a_topic_the_broker_refuses_is_said(settings: CommonSettings) -> None:
    greedy = settings.model_copy(update={"kafka_replication_factor": 3})
    name = f"t{uuid4().hex[:8]}.made"
    with pytest.raises(InvalidReplicationFactorError, match=name):
        await provision(greedy, [TopicSpec(name, 1, {})])
