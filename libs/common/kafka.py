"""Kafka: the broker as every service uses it, topics made by code, and subscriptions that drain before a rebalance."""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaRouter
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from libs.common.events import Event, all_events
from libs.common.retry import (
    LARGEST_VALUE,
    Parking,
    dlq_topic,
    lenient_parser,
    middleware_for,
    plain_decoder,
    retry_topic,
)
from libs.common.settings import CommonSettings
from libs.common.telemetry import REGISTRY

WIDE = ("snapshot.", "clip.", "sample.")
# A parked message is the message and a few headers more.
LARGEST_PARKED = LARGEST_VALUE + (1 << 20)
PARKED_RETENTION_MS = str(30 * 24 * 3600 * 1000)
DRAIN_SECONDS = 25.0
REBALANCE_SECONDS = 60
SESSION_SECONDS = 30
GRACEFUL_SECONDS = 20.0
# How often a subscription looks whether anything changed though nothing was said: five times a second, for tens of them,
# kept an idle machine busy. (Not how long the broker keeps a fetch: while it does, a partition that was not asked about waits.)
LOOK_EVERY_MS = 2000
# Said at every subscription: one that is declared on a router does not inherit the broker's policy, but FastStream's
# default, which commits before the handler has run (measured on 0.7.8; gate 1 guards it).
ACK_POLICY = AckPolicy.NACK_ON_ERROR
Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it is made. Partitions are fixed for life: more of them would remap keys and lose order."""

    name: str
    partitions: int
    configs: dict[str, str]


def event_topics() -> list[TopicSpec]:
    """One topic per event class: kept for ever (the audit log), or compacted."""
    return [_event_topic(event) for event in all_events()]


def _event_topic(event: type[Event]) -> TopicSpec:
    configs = {"compression.type": "producer"}
    configs |= {"cleanup.policy": "compact"} if event.compacted else {"retention.ms": "-1"}
    if event.topic == "training.progressed":
        configs["retention.ms"] = str(7 * 24 * 3600 * 1000)
    return TopicSpec(event.topic, 12 if event.topic.startswith(WIDE) else 6, configs)


def parked_topics(consumer: str, heard: Iterable[str]) -> list[TopicSpec]:
    """Retry and dead-letter topics of a consumer. Retries give up order, so few partitions do."""
    configs = {
        "retention.ms": PARKED_RETENTION_MS,
        "compression.type": "producer",
        "max.message.bytes": str(LARGEST_PARKED),
    }
    names = [name(topic, consumer) for topic in heard for name in (retry_topic, dlq_topic)]
    return [TopicSpec(name, 1, configs) for name in names]


async def provision(settings: CommonSettings, topics: Iterable[TopicSpec]) -> None:
    """Make the topics that are missing; those that exist stay as they are. Raises `KafkaError` if the broker refuses."""
    admin = AIOKafkaAdminClient(**connection_arguments(settings))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            made = await admin.create_topics(
                [_new_topic(topic, settings.kafka_replication_factor) for topic in missing]
            )
            _require_made(made)
            await _until_known(admin, {topic.name for topic in missing})
    finally:
        await admin.close()


def _require_made(response: Any) -> None:
    # aiokafka returns what the broker refused without raising it. Somebody else may have been faster.
    for topic, code, *_ in response.topic_errors:
        error = for_code(code)
        if error not in (NoError, TopicAlreadyExistsError):
            raise error(f"topic {topic} could not be made")


async def _until_known(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    # The controller answers before the broker's metadata has the topics; a consumer would complain until it has.
    async with asyncio.timeout(30):
        while not names <= set(await admin.list_topics()):  # noqa: ASYNC110 there is nothing to be told by
            await asyncio.sleep(0.05)


def _new_topic(topic: TopicSpec, replication: int) -> NewTopic:
    configs = dict(topic.configs)
    if replication > 2:
        configs["min.insync.replicas"] = "2"
    return NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=replication, topic_configs=configs)


def connection_arguments(settings: CommonSettings) -> dict[str, Any]:
    """How to reach Kafka, for aiokafka's own clients."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        arguments["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if settings.kafka_security_protocol.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password and settings.kafka_password.get_secret_value(),
        }
    return arguments


def make_producer(settings: CommonSettings) -> AIOKafkaProducer:
    """The relay's producer: idempotent, every replica acknowledges (the default is one)."""
    return AIOKafkaProducer(
        **connection_arguments(settings),
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        compression_type="lz4",
        request_timeout_ms=40_000,
        max_request_size=LARGEST_PARKED,
    )


def make_broker(settings: CommonSettings, parking: Parking) -> KafkaBroker:
    """The broker every service uses: nack on error, with parking in front of it."""
    return KafkaBroker(
        settings.kafka_bootstrap_servers,
        client_id=f"camloop-{parking.consumer}",
        ack_policy=ACK_POLICY,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=40_000,
        graceful_timeout=GRACEFUL_SECONDS,
        allow_auto_create_topics=False,
        parser=lenient_parser,
        decoder=plain_decoder,
        middlewares=[KafkaPrometheusMiddleware(registry=REGISTRY, app_name=parking.consumer), middleware_for(parking)],
        security=_security(settings),
        logger=None,
    )


def _security(settings: CommonSettings) -> BaseSecurity | None:
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ca_file) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=True)
    password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return kinds[settings.kafka_sasl_mechanism](
        settings.kafka_username or "", password, ssl_context=context, use_ssl=context is not None
    )


class DrainOnRevoke(ConsumerRebalanceListener):
    """Before partitions go, lets the running handler finish and commit: aiokafka rejoins while handlers run."""

    def __init__(self, topic: str, timeout_seconds: float = DRAIN_SECONDS) -> None:
        self.topic = topic
        self.timeout_seconds = timeout_seconds
        self.subscriber: Any = None
        self.assigned: frozenset[TopicPartition] | None = None

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]  # aiokafka awaits it
        self, revoked: set[TopicPartition]
    ) -> None:
        """Wait for the handler and its commit."""
        if revoked and self.subscriber is not None:
            await self.subscriber.lock.wait_release(self.timeout_seconds)

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]  # aiokafka awaits it
        self, assigned: set[TopicPartition]
    ) -> None:
        """Remember it: readiness asks."""
        self.assigned = frozenset(assigned)

    @property
    def alive(self) -> bool:
        """The consume loop runs, and fetches or handles something."""
        subscriber = self.subscriber
        return (
            subscriber is not None
            and subscriber.consumer is not None
            and not any(task.done() for task in subscriber.tasks)
        )

    @property
    def idle_seconds(self) -> float:
        """How long nobody has asked for messages; 0 while the consume loop waits for one."""
        consumer = self.subscriber and self.subscriber.consumer
        return 0.0 if consumer is None else float(consumer._subscription.fetcher_idle_time)


class OrderedRouter(KafkaRouter):
    """Its subscribers start in the order in which they were declared.

    FastStream (0.7.8) keeps them in a set and starts one after the other, each until it has its partitions: by chance, a
    service on a busy machine heard of work half a minute before it heard of the workflow it was for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.declared: list[Any] = []

    @property
    def subscribers(self) -> list[Any]:
        """In the order of `declared`."""
        return sorted(super().subscribers, key=self.declared.index)


@dataclass
class Subscriptions:
    """What a service hears: handlers by event, each with its retry topic, its group and its drain.

    They start in this order: what says how to work (workflows, tokens) comes before the work.
    """

    consumer: str
    router: OrderedRouter = field(default_factory=OrderedRouter)
    heard: list[str] = field(default_factory=list[str])
    drains: list[DrainOnRevoke] = field(default_factory=list[DrainOnRevoke])

    def hears(self, *events: type[Event]) -> Callable[[Handler], Handler]:
        """Decorate the handler of these events. One group per subscription: a rebalance disturbs no other."""
        topics = [event.topic for event in events]
        drain = DrainOnRevoke(topics[0])
        subscriber = self.router.subscriber(
            *topics,
            *(retry_topic(topic, self.consumer) for topic in topics),
            group_id=f"{self.consumer}.{topics[0]}" if len(topics) == 1 else self.consumer,
            ack_policy=ACK_POLICY,
            auto_offset_reset="earliest",
            consumer_timeout_ms=LOOK_EVERY_MS,
            session_timeout_ms=SESSION_SECONDS * 1000,
            heartbeat_interval_ms=SESSION_SECONDS * 100,
            rebalance_timeout_ms=REBALANCE_SECONDS * 1000,
            max_poll_interval_ms=300_000,
            isolation_level="read_committed",
            listener=drain,
        )
        drain.subscriber = subscriber
        self.router.declared.append(subscriber)
        self.heard.extend(topics)
        self.drains.append(drain)
        return partial(_register, subscriber)

    def topics(self) -> list[TopicSpec]:
        """Every topic this service needs to exist."""
        return [*event_topics(), *parked_topics(self.consumer, self.heard)]


def _register(subscriber: Any, handler: Handler) -> Handler:
    subscriber(handler)
    return handler


async def wait_until_assigned(drains: Iterable[DrainOnRevoke], timeout_seconds: float) -> None:
    """Return when every subscription has its partitions (or none of them, as a standby)."""
    async with asyncio.timeout(timeout_seconds):
        while any(drain.assigned is None for drain in drains):  # noqa: ASYNC110 aiokafka offers a callback only
            await asyncio.sleep(0.05)
