"""The dashboard for whoever runs the plant: does everything flow, what is behind, what is broken, what is full."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.panels import curves, numbers, sheet

RATE = "[$__rate_interval]"
PROCESSED = "faststream_received_processed_messages"
DUPLICATES = f"sum by (service) (rate(camloop_inbox_duplicates_total{RATE}))"
# A duplicate that the inbox stops is no error.
ERRORS = f'{PROCESSED}_exceptions_total{{exception_type!="AlreadyHandled"}}'


def dashboard() -> Dashboard:
    """Flow, stages, jobs, processes."""
    return sheet(
        "camloop-pipeline",
        "camloop: pipeline 流水线",
        {
            "Now 现状": _now(),
            "Flow 流量": _flow(),
            "Stages 各环节": _stages(),
            "Jobs 任务": _jobs(),
            "Processes 进程": _processes(),
        },
    )


def _now() -> list[object]:
    return [
        numbers("Services that answer 正常服务", "short", {"sum(up)": ""}, width=4),
        numbers(
            "Messages behind 积压消息",
            "short",
            {"sum(max by (consumer, topic) (camloop_consumer_lag_messages))": ""},
            width=4,
        ),
        numbers(
            "Oldest in an outbox 待发布最久", "s", {"max(camloop_outbox_oldest_available_age_seconds)": ""}, width=4
        ),
        numbers("Dead letters, 24 h 死信", "short", {"sum(increase(camloop_dlq_published_total[24h]))": ""}, width=4),
        numbers(
            "Samples to review 待审核样本",
            "short",
            {"sum(max by (workflow) (camloop_review_queue_length))": ""},
            width=4,
        ),
        numbers("Oldest of them 等待最久", "s", {"max(camloop_review_queue_oldest_age_seconds)": ""}, width=4),
    ]


def _flow() -> list[object]:
    return [
        curves("Uploads 上传", "reqps", {f"sum by (outcome) (rate(camloop_uploads_total{RATE}))": "{{outcome}}"}),
        curves(
            "Samples by verdict 样本判定",
            "reqps",
            {f"sum by (workflow, verdict) (rate(camloop_samples_total{RATE}))": "{{workflow}} {{verdict}}"},
        ),
        curves(
            "Why samples are rejected 拒绝原因",
            "reqps",
            {f'sum by (reason) (rate(camloop_samples_total{{verdict="rejected"}}{RATE}))': "{{reason}}"},
        ),
        curves(
            "Events published 发布的事件",
            "reqps",
            {f"sum by (service) (rate(camloop_outbox_published_total{RATE}))": "{{service}}"},
        ),
        curves(
            "Waiting for a reviewer 待审核",
            "short",
            {"max by (workflow) (camloop_review_queue_length)": "{{workflow}}"},
        ),
        curves(
            "Since the last snapshot of a camera 距上次快照",
            "s",
            {"time() - max by (camera) (camloop_camera_last_snapshot_timestamp_seconds)": "{{camera}}"},
        ),
    ]


def _stages() -> list[object]:
    return [
        curves(
            "Messages handled 处理消息",
            "reqps",
            {f"sum by (app_name, handler) (rate({PROCESSED}_total{RATE}))": "{{app_name}} {{handler}}"},
        ),
        curves(
            "Errors 错误",
            "reqps",
            {f"sum by (app_name, exception_type) (rate({ERRORS}{RATE}))": "{{app_name}} {{exception_type}}"},
        ),
        curves(
            "Duration, p50 and p95 耗时",
            "s",
            {
                f"histogram_quantile(0.5, sum by (app_name, le) (rate({PROCESSED}_duration_seconds_bucket{RATE})))": "{{app_name}} p50",
                f"histogram_quantile(0.95, sum by (app_name, le) (rate({PROCESSED}_duration_seconds_bucket{RATE})))": "{{app_name}} p95",
            },
        ),
        curves(
            "In process 正在处理",
            "short",
            {"sum by (app_name) (faststream_received_messages_in_process)": "{{app_name}}"},
        ),
        curves(
            "Messages behind 积压",
            "short",
            {"max by (consumer, topic) (camloop_consumer_lag_messages) > 0": "{{consumer}} {{topic}}"},
        ),
        curves(
            "Since the last event 距上次事件",
            "s",
            {"time() - max by (stage) (camloop_pipeline_last_event_timestamp_seconds)": "{{stage}}"},
        ),
        curves(
            "Tried again and given up 重试与死信",
            "short",
            {
                f"sum by (service) (increase(camloop_retry_scheduled_total{RATE}))": "{{service}} retry",
                f"sum by (service) (increase(camloop_dlq_published_total{RATE}))": "{{service}} dead letter",
            },
        ),
        curves("Breaker open 断路器", "short", {"max by (service) (camloop_dlq_breaker_open)": "{{service}}"}),
        curves(
            "Duplicates 重复消息",
            "percentunit",
            {f"{DUPLICATES} / sum by (service) (rate(camloop_inbox_events_total{RATE}))": "{{service}}"},
        ),
    ]


def _jobs() -> list[object]:
    return [
        curves(
            "Jobs that wait or run 排队与运行", "short", {"max by (kind, state) (camloop_jobs)": "{{kind}} {{state}}"}
        ),
        curves("Longest wait 等待最久", "s", {"max by (kind) (camloop_job_oldest_queued_age_seconds)": "{{kind}}"}),
        curves("Idle workers 空闲进程", "short", {"sum by (kind) (camloop_job_workers_idle)": "{{kind}}"}),
        curves(
            "Jobs that ended 结束的任务",
            "short",
            {f"sum by (kind, outcome) (increase(camloop_job_finished_total{RATE}))": "{{kind}} {{outcome}}"},
        ),
        curves("Expired leases 过期租约", "short", {"max by (kind) (camloop_job_running_lease_expired)": "{{kind}}"}),
        curves(
            "Duration of an attempt, p95 单次耗时",
            "s",
            {"histogram_quantile(0.95, sum by (kind, le) (rate(camloop_job_duration_seconds_bucket[1h])))": "{{kind}}"},
        ),
    ]


def _processes() -> list[object]:
    return [
        curves("Processor 处理器", "short", {f"sum by (job) (rate(process_cpu_seconds_total{RATE}))": "{{job}}"}),
        curves("Memory 内存", "bytes", {"sum by (job) (process_resident_memory_bytes)": "{{job}}"}),
        curves("Open files and connections 打开的文件与连接", "short", {"sum by (job) (process_open_fds)": "{{job}}"}),
        curves(
            "Free disk 剩余磁盘",
            "percentunit",
            {"min by (service) (camloop_disk_free_bytes / camloop_disk_size_bytes)": "{{service}}"},
        ),
        curves("Answers 在线", "short", {"min by (job) (up)": "{{job}}"}),
        curves(
            "Kafka, PostgreSQL and S3 as services see them 依赖是否可用",
            "short",
            {"min by (service, part) (camloop_part_up)": "{{service}} {{part}}"},
        ),
    ]
