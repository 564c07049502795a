"""Logs as events with fields, and every metric camloop exports with its meaning."""

import logging
import shutil
import sys
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # process_*: CPU, memory, open files of this service
JOB_OUTCOMES = ("succeeded", "queued", "failed", "dead", "lease_lost")
MAXIMUM_CAMERAS = 5000
OTHER_CAMERAS = "(others)"

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
lag = Gauge(
    "camloop_consumer_lag_messages",
    "Messages a consumer has not acknowledged yet, as the console sees it from outside.",
    ["consumer", "topic"],
    registry=REGISTRY,
)
committed = Gauge(
    "camloop_consumer_committed_offset",
    "Messages a consumer has acknowledged, over all partitions: it stands still when the consumer does.",
    ["consumer", "topic"],
    registry=REGISTRY,
)
part_up = Gauge(
    "camloop_part_up",
    "1 while this service can use the part (kafka, postgresql, s3), 0 while it cannot.",
    ["service", "part"],
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
    "Jobs that left the running state, by outcome; `queued`: an attempt failed and another one follows.",
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
jobs_standing = Gauge("camloop_jobs", "Jobs that wait or run.", ["kind", "state"], registry=REGISTRY)
job_workers_idle = Gauge(
    "camloop_job_workers_idle", "1 while this worker has nothing to do, 0 while it works.", ["kind"], registry=REGISTRY
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
review_queue_age = Gauge(
    "camloop_review_queue_oldest_age_seconds",
    "How long the sample has waited that has waited longest for a reviewer.",
    ["workflow"],
    registry=REGISTRY,
)
camera_last_snapshot = Gauge(
    "camloop_camera_last_snapshot_timestamp_seconds",
    "When the last snapshot of this camera was cleaned.",
    ["camera"],
    registry=REGISTRY,
)
dataset_size = Gauge(
    "camloop_dataset_samples", "Samples in the newest dataset version.", ["workflow", "split"], registry=REGISTRY
)
training_epoch = Gauge("camloop_training_epoch", "Epoch of the running training.", ["workflow"], registry=REGISTRY)
training_last_progress = Gauge(
    "camloop_training_last_progress_timestamp_seconds",
    "When the running training started or ended its last epoch; there only while one runs.",
    ["workflow"],
    registry=REGISTRY,
)
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
model_version = Gauge("camloop_model_version", "The version an alias points at.", ["model", "alias"], registry=REGISTRY)
model_gate_passed = Gauge(
    "camloop_model_gate_passed",
    "1 if the version behind an alias passed its gate, 0 if somebody put it there all the same.",
    ["model", "alias"],
    registry=REGISTRY,
)
disk_free = Gauge(
    "camloop_disk_free_bytes", "Free space where this service keeps its files.", ["service"], registry=REGISTRY
)
disk_size = Gauge(
    "camloop_disk_size_bytes", "Size of the disk this service keeps its files on.", ["service"], registry=REGISTRY
)
uploads = Counter("camloop_uploads_total", "Uploads by outcome.", ["outcome"], registry=REGISTRY)


def saw_camera(camera_id: str) -> None:
    """Note a snapshot of a camera. Beyond `MAXIMUM_CAMERAS` names share one series: anybody may invent camera ids."""
    known = camera_id in _cameras or len(_cameras) < MAXIMUM_CAMERAS
    if known:
        _cameras.add(camera_id)
    camera_last_snapshot.labels(camera_id if known else OTHER_CAMERAS).set_to_current_time()


_cameras: set[str] = set()


def jobs_born_at_zero(kind: str) -> None:
    """Every outcome of a kind of job from the start: a counter that is born at 1 never fires increase()."""
    for outcome in JOB_OUTCOMES:
        jobs_finished.labels(kind, outcome)


def watch_disk(service: str, folder: Path) -> None:
    """Measure the disk of `folder` whenever somebody asks for metrics; the folder is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    disk_free.labels(service).set_function(lambda: shutil.disk_usage(folder).free)
    disk_size.labels(service).set_function(lambda: shutil.disk_usage(folder).total)


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
