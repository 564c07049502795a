"""Command line of the child process that trains; its contract is in `protocol.py`."""

import argparse
import importlib
import json
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.trainer.training.artifacts import describe, write_json
from services.trainer.training.hyperparameters import SCHEMAS
from services.trainer.training.protocol import (
    BACKENDS,
    EXIT_FAILED,
    EXIT_GIVEN_BACK,
    Failed,
    Finished,
    GivenBack,
    Result,
    TrainingFailed,
    TrainingSpec,
)
from services.trainer.training.reporter import Reporter, take_over_stdout


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.backends:
        return _print_json({name: _installed(name) for name in BACKENDS})
    if asked.schema:
        return _print_json(SCHEMAS[asked.schema].model_json_schema())
    return run(asked.spec, take_over_stdout())


def run(spec_file: Path, reporter: Reporter) -> int:
    """Train as the file says; every outcome is reported as the last line. Returns the exit code."""
    # Since 1.29 ONNX Runtime's Linux wheels keep a device id in the home folder and report home; read when imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        reporter.listen_for_signals()
        spec = read_spec(spec_file)
        spec.output.mkdir(parents=True, exist_ok=True)
        _finish(spec, reporter, _train(spec, reporter))
    except GivenBack:
        return _give_back(reporter)
    except TrainingFailed as failure:
        return _fail(reporter, Failed(reason=failure.reason, hint=failure.hint, permanent=failure.permanent))
    except Exception as error:  # noqa: BLE001 - process border: whoever started us must learn what happened
        reporter.log("error", traceback.format_exc())
        return _fail(reporter, _unexpected(error))
    return 0


def read_spec(path: Path) -> TrainingSpec:
    """Raises TrainingFailed that names the wrong field."""
    try:
        return TrainingSpec.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TrainingFailed(f"The spec {path} cannot be read: {error.strerror}", "Give --spec a JSON file") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'spec'}: {item['msg']}" for item in error.errors())
        raise TrainingFailed(
            f"The spec {path} is wrong: {faults}",
            "Its fields are described in services/trainer/training/protocol.py",
        ) from error


def _train(spec: TrainingSpec, reporter: Reporter) -> Result:
    known = BACKENDS.get(spec.backend)
    if known is None:
        raise TrainingFailed(f"There is no back-end {spec.backend!r}", f"Use one of: {', '.join(BACKENDS)}")
    if spec.task not in known.tasks:
        raise TrainingFailed(f"The back-end {spec.backend} cannot train {spec.task}", "Use another back-end")
    missing = known.missing()
    if missing:
        reporter.log("error", f"Missing modules: {', '.join(missing)}")
        raise TrainingFailed(f"the back-end {spec.backend} is not installed", known.hint())
    backend = importlib.import_module(f"services.trainer.training.{spec.backend}")
    return backend.train(spec, reporter)


def _finish(spec: TrainingSpec, reporter: Reporter, result: Result) -> None:
    metadata_file = spec.output / "metadata.json"
    write_json(metadata_file, result.metadata)
    reporter.log("info", f"Finished after {reporter.seconds():.0f} s")
    reporter.close_log()
    files = (*result.files, metadata_file, spec.output / "train.log")
    reporter.write(
        Finished(
            artifacts=tuple(describe(path) for path in files),
            metrics=result.metrics,
            metadata=result.metadata,
            duration_seconds=reporter.seconds(),
        )
    )


def _give_back(reporter: Reporter) -> int:
    with suppress(GivenBack):  # the reader may be gone
        reporter.log("warning", "Given back: asked to stop. The last checkpoint holds every complete epoch")
    return EXIT_GIVEN_BACK


def _fail(reporter: Reporter, failed: Failed) -> int:
    try:
        reporter.log("error", f"{failed.reason}. {failed.hint}")
        reporter.write(failed)
    except GivenBack:
        return EXIT_GIVEN_BACK
    return EXIT_FAILED


def _unexpected(error: Exception) -> Failed:
    if "out of memory" in str(error).lower() or isinstance(error, MemoryError):
        hint = "Lower the hyperparameter batch or image_size (of clips: members or maps), or choose a smaller model"
        return Failed(reason=f"Out of memory: {error}", hint=hint, permanent=False)
    if isinstance(error, OSError):
        hint = "Check the free space and the rights of the output folder"
        return Failed(reason=f"{type(error).__name__}: {error}", hint=hint, permanent=False)
    hint = "Read the traceback in train.log"
    return Failed(reason=f"{type(error).__name__}: {error}", hint=hint, permanent=False)


def _installed(name: str) -> dict[str, Any]:
    known = BACKENDS[name]
    missing = known.missing()
    facts: dict[str, Any] = {"installed": not missing, "missing": missing, "hint": known.hint() if missing else ""}
    return {**facts, "licence": known.licence, "tasks": list(known.tasks)}


def _print_json(value: object) -> int:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.trainer.training", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--spec", type=Path, help="train as this JSON file says; JSON lines on stdout")
    action.add_argument("--backends", action="store_true", help="print which back-ends are installed")
    action.add_argument("--schema", choices=sorted(SCHEMAS), help="print a back-end's hyperparameters as JSON Schema")
    return parser


if __name__ == "__main__":
    sys.exit(main())
