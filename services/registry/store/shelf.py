"""Where the files of model versions lie: copied inside the object store, never changed once a version stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError, dumps, loads
from typing import Any

from libs.common.errors import Permanent
from libs.common.events import Artifact, ModelEvaluated
from libs.common.objects import Objects
from services.registry.domain import METADATA, completed_metadata, missing_files, report_files, shipped_files
from services.registry.store.versions import Reservation


@dataclass(frozen=True)
class Shelved:
    """The files of a version and the signature its model speaks."""

    artifacts: tuple[Artifact, ...]
    abi: str


@dataclass(frozen=True)
class Shelf:
    """Copies take their time and sit in no transaction: the same keys again hold the same bytes."""

    objects: Objects

    async def place(self, reservation: Reservation, event: ModelEvaluated) -> Shelved:
        """Put everything a version ships on its shelf. Raises `Permanent` when the run shipped too little."""
        shipped = shipped_files(event)
        if missing := missing_files(shipped):
            raise Permanent(
                f"Training run {event.training_run_id} shipped no {' and no '.join(missing)}: train again with a "
                "back-end that writes them"
            )
        root = f"models/{reservation.model}/v{reservation.version}"
        # A later evaluation of a standing version gets a folder of its own: links to the old files stay good.
        first = reservation.first_evaluation_id == event.evaluation_id
        own = root if first else f"{root}/evaluations/{event.evaluation_id}"
        metadata, abi = await self._complete_metadata(reservation, event, shipped[METADATA], f"{own}/{METADATA}")
        made = {name: file for name, file in shipped.items() if name != METADATA}
        kept = await self._keep_or_copy(reservation, made, root)
        reports = await self._copy({n: file for n, file in report_files(event).items() if n not in shipped}, own)
        return Shelved((*kept, metadata, *reports), abi)

    async def _keep_or_copy(
        self, reservation: Reservation, files: Mapping[str, Artifact], folder: str
    ) -> list[Artifact]:
        standing = reservation.standing
        kept = [] if standing is None else [file for file in standing.artifacts if file.name in files]
        return kept or await self._copy(files, folder)

    async def _copy(self, files: Mapping[str, Artifact], folder: str) -> list[Artifact]:
        return [
            file.model_copy(update={"uri": await self.objects.copy(file.uri, f"{folder}/{name}")})
            for name, file in files.items()
        ]

    async def _complete_metadata(
        self, reservation: Reservation, event: ModelEvaluated, file: Artifact, key: str
    ) -> tuple[Artifact, str]:
        metadata = _parse(await self.objects.get(file.uri, expected_sha256=file.sha256), file.uri)
        completed = completed_metadata(
            metadata,
            model=reservation.model,
            version=reservation.version,
            operating_confidence=event.operating_confidence,
        )
        data = dumps(completed, indent=2, ensure_ascii=False).encode()
        stored = await self.objects.put(key, data, "application/json")
        artifact = Artifact(name=METADATA, uri=stored.uri, sha256=stored.sha256, bytes=stored.bytes)
        return artifact, str(metadata["abi"])


def _parse(data: bytes, uri: str) -> dict[str, Any]:
    try:
        metadata = loads(data)
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise Permanent(f"{uri} is no JSON: {error}") from error
    if not isinstance(metadata, dict) or "abi" not in metadata:
        raise Permanent(f"{uri} names no abi: a camera would not know how to run the model")
    return metadata  # pyright: ignore[reportUnknownVariableType]  # any JSON object
