"""From somebody's data set to snapshots: read it, rename its labels, say what belongs together and which camera took it."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from libs.local.recordings import taken_at
from libs.local.sending import Outgoing, stable_snapshot_id
from libs.vision.formats.coco import read_coco
from libs.vision.formats.csv_file import TABLE, read_csv
from libs.vision.formats.files import LARGEST_TABLE, inside, read_text, spoken
from libs.vision.formats.items import FormatError, LabelledImage
from libs.vision.formats.voc import read_voc
from libs.vision.formats.yolo import read_yolo

Format = Literal["yolo", "voc", "coco", "csv"]
READERS: Mapping[Format, Callable[[Path], Iterator[LabelledImage]]] = {
    "yolo": read_yolo,
    "voc": read_voc,
    "coco": read_coco,
    "csv": read_csv,
}
# Roboflow names each variant of a picture <name of the picture>.rf.<32 hexadecimal digits>.
_ROBOFLOW = re.compile(r"^(?P<source>.+)\.rf\.[0-9a-f]{16,}$")
_GROUP_COLUMNS = ("source_group", "group", "source_id")


class UnknownLabels(ValueError):
    """The data set uses labels the workflow does not know; the text lists both and says how to map them."""


@dataclass(frozen=True)
class Import:
    """What is to be sent, and what was found on the way. All counts are of what is sent."""

    snapshots: tuple[Outgoing, ...]
    boxes_per_label: Mapping[str, int]
    images_per_camera: Mapping[str, int]
    unlabelled: int
    skipped: Mapping[str, str]
    problems: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Plan:
    """How a data set is taken over. `mapping`: label there -> label here, or "" to leave its boxes out."""

    root: Path
    workflow: str
    classes: Sequence[str]
    mapping: Mapping[str, str]
    cameras: Sequence[str]


def camera_names(root: Path, *, camera: str | None, count: int) -> list[str]:
    """`camera`, or a name made from the folder's; numbered when there are several."""
    name = camera or f"import-{_plain(root.resolve().name) or 'data'}"
    return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """`["vest=hairnet", "cup="]` as a mapping. Raises ValueError for anything else."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        source, equals, target = pair.partition("=")
        if not equals or not source.strip():
            raise ValueError(f"--map {pair!r} is not SOURCE=TARGET (SOURCE= leaves out what SOURCE marks)")
        mapping[source.strip()] = target.strip()
    return mapping


def prepare(images: Iterable[LabelledImage], plan: Plan) -> Import:
    """Everything that will be sent, before anything is. Raises `UnknownLabels`; bad files are skipped and said."""
    found = list(images)
    check_labels(found, plan)
    usable = [image for image in found if image.usable]
    groups = source_groups(plan.root)
    outgoing = [_outgoing(image, plan, groups) for image in usable]
    mapped = Counter(plan.mapping.get(each.label, each.label) for image in usable for each in image.annotations)
    mapped.pop("", None)
    return Import(
        snapshots=tuple(outgoing),
        boxes_per_label=dict(sorted(mapped.items())),
        images_per_camera=dict(sorted(Counter(str(each.facts["camera_id"]) for each in outgoing).items())),
        unlabelled=sum(not image.labelled for image in usable),
        skipped=_skipped(plan.root, found),
        problems={_name(plan.root, image.path): image.problems for image in usable if image.problems},
    )


def _skipped(root: Path, images: Iterable[LabelledImage]) -> dict[str, str]:
    # By file: a table in which a hundred names are wrong has a hundred sentences.
    reasons: dict[str, list[str]] = {}
    for image in images:
        if not image.usable:
            reasons.setdefault(_name(root, image.path), []).extend(image.problems)
    return {name: "; ".join(problems) for name, problems in reasons.items()}


def check_labels(images: Iterable[LabelledImage], plan: Plan) -> None:
    """Raises `UnknownLabels` unless each label is a class of the workflow or mapped to one (or to nothing)."""
    check_counted(Counter(each.label for image in images for each in image.annotations), plan, of="boxes")


def check_counted(counts: Mapping[str, int], plan: Plan, *, of: str) -> None:
    """`check_labels` of labels with how many boxes or segments carry them."""
    strangers = sorted({target for target in plan.mapping.values() if target} - set(plan.classes))
    if strangers:
        raise UnknownLabels(
            f"--map leads to {', '.join(strangers)}, but {plan.workflow} knows {', '.join(plan.classes)}"
        )
    unknown = [label for label in sorted(counts) if label not in plan.classes and label not in plan.mapping]
    if unknown:
        listed = ", ".join(f"{label} ({counts[label]} {of})" for label in unknown)
        raise UnknownLabels(
            f"Workflow {plan.workflow} does not know the labels {listed}. It knows: {', '.join(plan.classes)}. "
            f"Say what they are here: --map '{unknown[0]}={plan.classes[0]}', or leave them out: --map '{unknown[0]}='"
        )


def source_groups(root: Path) -> dict[str, str]:
    """What groups.csv, or a column of annotations.csv, says about which files were made from the same picture."""
    folder = root if root.is_dir() else root.parent
    for table in (folder / "groups.csv", folder / TABLE):
        if table.is_file() and (groups := _read_groups(inside(folder.resolve(), table))):
            return groups
    return {}


def source_group(root: Path, path: Path, groups: Mapping[str, str]) -> str:
    """What never crosses splits with this file: its variants, or only itself. Other data sets never share a group."""
    relative = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    stated = groups.get(relative.as_posix()) or groups.get(path.name)
    roboflow = _ROBOFLOW.match(path.stem)
    own = stated or spoken(Path(roboflow["source"]) if roboflow else relative.with_suffix(""))
    return f"{spoken(Path(root.name))}/{own}"


def camera_of(group: str, cameras: Sequence[str]) -> str:
    """The camera a group counts as: always the same one, whatever else is imported."""
    return cameras[int.from_bytes(sha256(group.encode()).digest()[:8]) % len(cameras)]


def _read_groups(table: Path) -> dict[str, str]:
    try:
        rows = list(csv.DictReader(read_text(table, at_most=LARGEST_TABLE).splitlines()))
    except csv.Error as error:
        raise FormatError(f"{table} is not a CSV table: {error}") from error
    column = next((name for name in _GROUP_COLUMNS if rows and name in rows[0]), None)
    if column is None or "file" not in rows[0]:
        return {}
    return {row["file"].strip(): row[column].strip() for row in rows if row["file"] and row[column]}


def _outgoing(image: LabelledImage, plan: Plan, groups: Mapping[str, str]) -> Outgoing:
    root = plan.root.resolve() if plan.root.is_dir() else plan.root.resolve().parent
    group = source_group(root, image.path, groups)
    camera = camera_of(group, plan.cameras)
    data = image.path.read_bytes()
    facts: dict[str, object] = {
        "snapshot_id": stable_snapshot_id(plan.workflow, camera, group, sha256(data).hexdigest()),
        "camera_id": camera,
        "captured_at": taken_at(image.path),
        "workflow": plan.workflow,
        "source_group": group,
    }
    if image.labelled:
        labelled = [(plan.mapping.get(each.label, each.label), each.box) for each in image.annotations]
        facts["annotations"] = [{"label": label, "box": list(box)} for label, box in labelled if label]
    return Outgoing(_name(plan.root, image.path), image.path.read_bytes, facts)  # pyright: ignore[reportArgumentType]  # JSON


def _name(root: Path, path: Path) -> str:
    folder = root.resolve()
    return spoken(path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name))


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._").lower()
