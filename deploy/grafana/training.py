"""The dashboard for whoever cares for the models: what trains, how well, what cameras run, and who moved it."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.panels import curves, mark, numbers, sheet

CHAMPION = 'alias="champion"'
MAP50 = 'metric="map50"'


def dashboard() -> Dashboard:
    """Training, data, models; every move of an alias is a line through all panels."""
    moved = mark("Alias moved 别名变更", "green", "changes(camloop_model_version[1m]) > 0", "{{model}} {{alias}}")
    failed = mark(
        "Training failed 训练失败", "red",
        'increase(camloop_job_finished_total{kind="train", outcome=~"failed|dead"}[1m]) > 0', "{{outcome}}",
    )  # fmt: skip
    rows = {"Training 训练": _training(), "Data 数据": _data(), "Models 模型": _models()}
    return sheet("camloop-models", "camloop: training and models 训练与模型", rows).annotation(moved).annotation(failed)


def _training() -> list[object]:
    return [
        numbers("Runs that run 运行中", "short", {'max(camloop_jobs{kind="train", state="running"})': ""}),
        numbers("Runs that wait 排队", "short", {'max(camloop_jobs{kind="train", state="queued"})': ""}),
        numbers(
            "Failed, 24 h 失败",
            "short",
            {'sum(increase(camloop_job_finished_total{kind="train", outcome=~"failed|dead"}[24h]))': ""},
        ),
        numbers("Idle trainers 空闲训练进程", "short", {'sum(camloop_job_workers_idle{kind="train"})': ""}),
        curves("Epoch 轮次", "short", {"max by (workflow) (camloop_training_epoch)": "{{workflow}}"}),
        curves(
            "Since the last epoch 距上一轮",
            "s",
            {"time() - max by (workflow) (camloop_training_last_progress_timestamp_seconds)": "{{workflow}}"},
            about="Only while a training runs.",
        ),
        curves(
            "Duration of a run, p50 and p95 训练耗时",
            "s",
            {
                'histogram_quantile(0.5, sum by (le) (rate(camloop_job_duration_seconds_bucket{kind="train"}[1d])))': "p50",
                'histogram_quantile(0.95, sum by (le) (rate(camloop_job_duration_seconds_bucket{kind="train"}[1d])))': "p95",
            },
        ),
        curves(
            "Losses 损失",
            "short",
            {'max by (workflow, metric) (camloop_training_metric{metric=~".*loss.*"})': "{{workflow}} {{metric}}"},
            width=12,
        ),
        curves(
            "The trainer's own metrics 训练指标",
            "percentunit",
            {
                'max by (workflow, metric) (camloop_training_metric{metric=~"map50|map50_95|precision|recall"})': "{{workflow}} {{metric}}"
            },
            width=12,
        ),
    ]


def _data() -> list[object]:
    return [
        curves(
            "Newest dataset version 最新数据集版本",
            "short",
            {"max by (workflow, split) (camloop_dataset_samples)": "{{workflow}} {{split}}"},
            width=12,
        ),
        curves(
            "Builds 构建",
            "short",
            {'sum by (outcome) (increase(camloop_job_finished_total{kind="build"}[1h]))': "{{outcome}}"},
            width=12,
        ),
    ]


def _models() -> list[object]:
    return [
        curves(
            "mAP50 of the champion 冠军模型 mAP50",
            "percentunit",
            {f"max by (model) (camloop_model_metric{{{CHAMPION}, {MAP50}}})": "{{model}}"},
        ),
        curves(
            "Precision and recall of the champion 精确率与召回率",
            "percentunit",
            {
                f'max by (model, metric) (camloop_model_metric{{{CHAMPION}, metric=~"precision|recall|f1"}})': "{{model}} {{metric}}"
            },
        ),
        curves(
            "Champion against the one before 与上一版本之差",
            "percentunit",
            {
                f"max by (model) (camloop_model_metric{{{CHAMPION}, {MAP50}}})"
                f' - on (model) max by (model) (camloop_model_metric{{alias="previous", {MAP50}}})': "{{model}}"
            },
            about="mAP50 of the champion minus that of the version it replaced, each on the test split of its own dataset version.",
        ),
        curves(
            "Version behind an alias 别名指向的版本",
            "short",
            {"max by (model, alias) (camloop_model_version)": "{{model}} {{alias}}"},
        ),
        curves(
            "Passed its gate 通过门槛",
            "short",
            {"min by (model, alias) (camloop_model_gate_passed)": "{{model}} {{alias}}"},
        ),
        curves(
            "Evaluations 评估",
            "short",
            {'sum by (outcome) (increase(camloop_job_finished_total{kind="evaluate"}[1h]))': "{{outcome}}"},
        ),
    ]
