"""Writes the dashboards' JSON into dashboards/; `--check` only compares: python deploy/grafana/build.py [--check]

Change a panel in pipeline.py or training.py, never the JSON. Grafana itself shows them; nothing here proves how they look.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: E402

from deploy.grafana import pipeline, training  # noqa: E402


def documents() -> dict[Path, str]:
    """Every dashboard by its path."""
    built = {"pipeline": pipeline.dashboard(), "training": training.dashboard()}
    encoder = JSONEncoder(sort_keys=True, indent=1)
    return {HERE / "dashboards" / f"{name}.json": encoder.encode(each.build()) + "\n" for name, each in built.items()}


def main() -> int:
    """Write, or with `--check` tell which dashboards are stale."""
    stale = [path for path, text in documents().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            sys.stderr.write(f"{path.name} is stale: run python deploy/grafana/build.py\n")
        return 1 if stale else 0
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(stale)} dashboards changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
