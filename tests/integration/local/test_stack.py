"""Kafka, PostgreSQL and S3 really start, answer, die and come back with what they were given."""

import asyncio
import io

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError
from minio import Minio
from minio.error import MinioException

from libs.local.stack import LocalStack

pytestmark = pytest.mark.connected


@pytest_asyncio.fixture(scope="module")
async def stack(tmp_path_factory):
    """One stack for this file, in a folder whose name has blanks and Chinese letters."""
    async with LocalStack(tmp_path_factory.mktemp("a 厨房 folder")) as started:
        yield started


async def create_topic(stack, name):
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name=name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def publish(stack, topic, value, **options):
    async with AIOKafkaProducer(
        bootstrap_servers=stack.kafka_bootstrap, enable_idempotence=True, **options
    ) as producer:
        await producer.send_and_wait(topic, value)


async def first_value(stack, topic):
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=stack.kafka_bootstrap, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(60):
        return (await consumer.getone()).value


async def query(stack, sql):
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


def s3(stack, secret_key=None):
    return Minio(
        endpoint=stack.s3_endpoint.removeprefix("http://"),
        access_key=stack.s3_access_key,
        secret_key=secret_key or stack.s3_secret_key,
        secure=False,
    )


def stored_bytes(stack, bucket, key):
    response = s3(stack).get_object(bucket_name=bucket, object_name=key)
    try:
        return response.read()
    finally:
        response.close()


async def test_what_was_acknowledged_survives_stop_and_kill_at_the_same_addresses(stack):
    before = (stack.kafka_bootstrap, stack.postgres_dsn, stack.s3_endpoint)
    await create_topic(stack, "kept")
    await publish(stack, "kept", b"one")
    await query(stack, "create table kept as select 1 as one")
    client = s3(stack)
    client.make_bucket(bucket_name="kept")
    client.put_object(bucket_name="kept", object_name="a/b.jpg", data=io.BytesIO(b"one"), length=3)
    for end, name in ((stack.kill, "kafka"), (stack.stop, "postgres"), (stack.kill, "postgres"), (stack.stop, "s3")):
        await end(name)
        await stack.start(name)
    assert (stack.kafka_bootstrap, stack.postgres_dsn, stack.s3_endpoint) == before
    assert await first_value(stack, "kept") == b"one"
    assert [row["one"] for row in await query(stack, "select one from kept")] == [1]
    assert stored_bytes(stack, "kept", "a/b.jpg") == b"one"


async def test_a_value_of_two_mebibytes_is_refused_with_a_clear_error(stack):
    await create_topic(stack, "big")
    with pytest.raises(MessageSizeTooLargeError):
        await publish(stack, "big", b"x" * 2**21)
    with pytest.raises(MessageSizeTooLargeError):
        await publish(stack, "big", b"x" * 2**21, max_request_size=2**22)


def test_s3_refuses_a_wrong_secret_and_keeps_its_keys_private(stack):
    with pytest.raises(MinioException):
        s3(stack, secret_key="wrong-secret").list_buckets()
    assert (stack.folder / "s3-keys.json").stat().st_mode & 0o077 == 0
