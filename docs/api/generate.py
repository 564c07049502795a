"""Writes the AsyncAPI and OpenAPI documents of every service beside this file; `--check` only compares.

python docs/api/generate.py [--check]
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from libs.common.service import Service  # noqa: E402
from libs.local.plan import SERVICES  # noqa: E402

PLACEHOLDERS: dict[str, Any] = {
    "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
    "DATABASE_URL": "postgresql://localhost/camloop",
    "S3_ENDPOINT": "http://localhost:9000",
    "S3_ACCESS_KEY": "none",
    "S3_SECRET_KEY": "none",
    "CAMLOOP_ADMIN_TOKEN": "only-for-generating-documents",
}


def service(name: str) -> Service:
    """The service, wired to nothing."""
    settings = importlib.import_module(f"services.{name}.settings").Settings(_env_file=None, **PLACEHOLDERS)
    return importlib.import_module(f"services.{name}.app").create_app(settings)


def documents() -> dict[Path, str]:
    """Every document by its path."""
    found: dict[Path, str] = {}
    for name in SERVICES:
        described = service(name)
        found[HERE / f"asyncapi-{name}.json"] = _text(described.asyncapi())
        if described.routes is not None:
            found[HERE / f"openapi-{name}.json"] = _text(described.http_app().openapi())
    return found


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    """Write, or with `--check` tell which documents are stale."""
    stale = [
        path for path, text in documents().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(HERE.parents[1])} is stale: run make docs\n")
        return 1 if stale else 0
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(stale)} documents changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
