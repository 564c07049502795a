"""`analyze`: what a clip model sees in one recording, and what the procedure says to it."""

import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from libs.common.errors import Permanent
from libs.local.connections import local_settings
from libs.local.definitions import workflow_named
from libs.local.output import Json, answer, errors

app = typer.Typer()
Language = Literal["en", "zh"]
_SUMMARY: dict[Language, str] = {
    "en": "{total_seconds:.1f} s of steps in {clip_seconds:.1f} s; hands in sight for {visible:.0f} % of it; watched by {model}",
    "zh": "片段共 {clip_seconds:.1f} 秒，其中步骤 {total_seconds:.1f} 秒；双手可见 {visible:.0f}%；模型 {model}",
}
_WRITTEN: dict[Language, str] = {"en": "written: {out}", "zh": "已写入：{out}"}


@app.command()
def analyze(
    clip: Annotated[Path, typer.Argument(help="The video of one wash.")],
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", help="Whose procedure counts; the model's own unless given.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="NAME@VERSION instead of the workflow's champion.")] = None,
    artifacts: Annotated[
        Path | None, typer.Option(help="A folder with best.onnx and metadata.json: no running system is needed.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the clip with its steps as MP4.")] = None,
    language: Annotated[Language | None, typer.Option(help="CAMLOOP_LANGUAGE unless given.")] = None,
    as_json: Json = False,
) -> None:
    """Watch one recording with a clip model: its steps with their seconds, the verdict, and why."""
    if not clip.is_file():
        raise Permanent(f"There is no video {clip}")
    if model and artifacts:
        raise Permanent("--model and --artifacts name two models: give one of them")
    if out is not None and (out.suffix.lower() != ".mp4" or not out.parent.is_dir() or _same(out, clip)):
        raise Permanent(
            f"{out} can't be written: name another file than the clip, ending in .mp4, in a folder that exists"
        )
    settings = local_settings()
    words = language or settings.language
    # Here and not above: they need OpenCV and ONNX Runtime, which take a second to import.
    from libs.local import analysing, clip_models

    with tempfile.TemporaryDirectory(prefix="camloop-analyze-") as folder:
        if artifacts is not None:
            shipped = clip_models.read_folder(artifacts)
        else:
            shipped = clip_models.fetch(workflow or "handwash", model, Path(folder))
        weights = settings.data_folder / "weights" / "yolov8n-pose.onnx" if shipped.reads[0] == "pose" else None
        found = analysing.analyse(clip, shipped, workflow_named(workflow or shipped.workflow), weights=weights)
    unwritable = analysing.write_clip(clip, out, found, words) if out is not None else ()
    if unwritable:
        errors.print(f"No font of this machine can write: {', '.join(unwritable)}", markup=False)
    values = {"clip": str(clip), "model": shipped.name, "out": str(out) if out else None} | found.as_values(words)
    answer(
        values, as_json=as_json, text=escape(_told(values, words, found.titles(words), found.verdict_in_words(words)))
    )


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _told(values: dict[str, Any], words: Language, titles: dict[str, str], verdict: str) -> str:
    """The segments in their order, the verdict, and where the clip lies."""
    lines = [
        f"{each['start_seconds']:6.1f} - {each['end_seconds']:5.1f} s  {each['end_seconds'] - each['start_seconds']:5.1f} s"
        f"  {titles.get(each['step'], each['step'])}"
        for each in values["segments"]
    ]
    lines += [_SUMMARY[words].format(visible=100 * values["visible_share"], **values), verdict]
    return "\n".join([*lines, *([_WRITTEN[words].format(**values)] if values["out"] else [])])
