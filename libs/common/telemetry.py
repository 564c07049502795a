"""Logs as events with fields, and every metric camloop exports with its meaning."""

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

inbox_events = Counter("camloop_inbox_events_total", "Messages that reached the inbox.", ["service"], registry=REGISTRY)
inbox_duplicates = Counter(
    "camloop_inbox_duplicates_total",
    "Messages the inbox had seen before; they had no effect.",
    ["service"],
    registry=REGISTRY,
)
outbox_published = Counter(
    "camloop_outbox_published_total", "Events the relay published.", ["service"], registry=REGISTRY
)
outbox_age = Gauge(
    "camloop_outbox_oldest_available_age_seconds",
    "Age of the oldest event that should be published by now.",
    ["service"],
    registry=REGISTRY,
)
retried = Counter(
    "camloop_retry_scheduled_total", "Messages parked for another try.", ["service", "topic"], registry=REGISTRY
)
dead_lettered = Counter(
    "camloop_dlq_published_total", "Messages parked as dead letters.", ["service", "topic"], registry=REGISTRY
)
breaker_open = Gauge(
    "camloop_dlq_breaker_open",
    "1 while dead-lettering is stopped: the partition waits.",
    ["service"],
    registry=REGISTRY,
)
last_event = Gauge(
    "camloop_pipeline_last_event_timestamp_seconds",
    "When this stage last handled an event.",
    ["stage"],
    registry=REGISTRY,
)
jobs_finished = Counter(
    "camloop_job_finished_total",
    "Jobs that left the running state, by outcome.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
job_seconds = Histogram(
    "camloop_job_duration_seconds",
    "Wall time of one attempt of a job.",
    ["kind"],
    registry=REGISTRY,
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400),
)
job_queue_age = Gauge(
    "camloop_job_oldest_queued_age_seconds",
    "Age of the oldest job that may run and does not.",
    ["kind"],
    registry=REGISTRY,
)
job_lease_expired = Gauge(
    "camloop_job_running_lease_expired", "Running jobs whose lease has run out.", ["kind"], registry=REGISTRY
)
samples = Counter("camloop_samples_total", "Samples by verdict.", ["workflow", "verdict", "reason"], registry=REGISTRY)
review_queue = Gauge(
    "camloop_review_queue_length", "Samples that wait for a reviewer.", ["workflow"], registry=REGISTRY
)
dataset_size = Gauge(
    "camloop_dataset_samples", "Samples in the newest dataset version.", ["workflow", "split"], registry=REGISTRY
)
training_epoch = Gauge("camloop_training_epoch", "Epoch of the running training.", ["workflow"], registry=REGISTRY)
training_metric = Gauge(
    "camloop_training_metric",
    "The trainer's own metrics of the running training.",
    ["workflow", "metric"],
    registry=REGISTRY,
)
model_metric = Gauge(
    "camloop_model_metric",
    "Evaluated metrics of the version behind an alias.",
    ["model", "alias", "metric"],
    registry=REGISTRY,
)
uploads = Counter("camloop_uploads_total", "Uploads by outcome.", ["outcome"], registry=REGISTRY)


def configure_logging(*, service: str, level: str, format_: str) -> None:
    """JSON lines (or plain text) on stdout, fields bound per message with contextvars."""
    renderer = structlog.processors.JSONRenderer() if format_ == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
    # Says "coordinator not available" many times a second while a new broker makes its offsets topic; readiness tells.
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.CRITICAL)
