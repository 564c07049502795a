"""`demo`: the whole loop on this machine, from drawn scenes to a promoted model, twice around."""

import asyncio
import sys
import time
from typing import Annotated, Any

import typer

from libs.common.workflows import Workflow
from libs.local import background
from libs.local.client import NotRunning, Refused
from libs.local.commands.system import load_settings, start_in_background
from libs.local.definitions import workflow_named
from libs.local.demo.story import DemoFailed, Story
from libs.local.failures import StartFailed
from libs.local.locks import AlreadyRunning
from libs.local.output import Json, answer, fail
from libs.local.plan import SERVICES
from libs.local.settings import LocalSettings
from libs.local.state import read_state
from libs.local.supervisor import START_SECONDS

app = typer.Typer()
_SEEN_BEFORE = "What --seed draws is new to a data folder only once: CAMLOOP_DATA_FOLDER names another one."
_LEFT = "Whatever runs goes on in the background: uv run camloop status shows it, make down ends it."


@app.command()
def demo(
    workflow: Annotated[str, typer.Option("--workflow", "-w", help="hairnet, behavior or handwash.")] = "hairnet",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=999_999, help="Draw what a demo with this seed drew: in a data folder new to it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Cameras, cleaning, review, training, registry: the loop goes round twice and the system stays up."""
    settings, _ = load_settings()
    left = _LEFT if seed is None else f"{_SEEN_BEFORE}\n{_LEFT}"
    story = Story(settings.data_folder.resolve() / "log", write=_to_stderr if as_json else _to_stdout)
    try:
        done = _play(workflow_named(workflow), settings, story, _seed_by_lot() if seed is None else seed)
    except ValueError as error:
        fail(str(error), as_json=as_json)
    except DemoFailed as error:
        fail(f"{error}\n{left}", as_json=as_json)
    except (NotRunning, Refused) as error:
        fail(f"{story.failure(str(error))}\n{left}", as_json=as_json)
    except KeyboardInterrupt:
        fail(f"stopped in the stage {story.stage}. {_LEFT}", as_json=as_json, code=130)
    answer(done, as_json=as_json, text="")


def _seed_by_lot() -> int:
    """Another one each second: what was drawn before would be sent back as a duplicate."""
    return int(time.time()) % 1_000_000


def _play(workflow: Workflow, settings: LocalSettings, story: Story, seed: int) -> dict[str, Any]:
    # Here and not above: drawing needs OpenCV, which takes a second to import.
    from libs.local.demo.preparing import check_preconditions
    from libs.local.demo.script import perform
    from libs.local.demo.wash_script import perform_washes

    check_preconditions(workflow)
    _ensure_running(settings, story)
    story.tell(f"what the cameras see is drawn with the seed {seed}")
    if workflow.procedure is not None:
        return asyncio.run(perform_washes(workflow, settings, story, seed))
    return asyncio.run(perform(workflow, settings.data_folder, story, seed))


def _ensure_running(settings: LocalSettings, story: Story) -> None:
    """Raises `DemoFailed` with the part that does not come up."""
    if background.running_pid(settings.data_folder) is not None:
        story.reach("start", "camloop runs already")
        _wait_until_ready(settings, story)
        return
    story.reach("start", f"starting Kafka, PostgreSQL, S3 and {len(SERVICES)} services in the background")
    try:
        state = start_in_background(settings, quiet=True)
    except (StartFailed, AlreadyRunning) as error:
        raise story.failure(str(error)) from error
    ports = ", ".join(f"{each.name} {each.port}" for each in state.processes if each.port)
    story.reach("start", f"ready on 127.0.0.1: {ports}")


def _wait_until_ready(settings: LocalSettings, story: Story) -> None:
    """Somebody may have started it a moment ago."""
    deadline = time.monotonic() + START_SECONDS
    while (state := read_state(settings.data_folder)) is None or state.phase != "ready":
        if time.monotonic() > deadline:
            raise story.failure("it runs but does not get ready: uv run camloop status")
        time.sleep(0.5)


def _to_stdout(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
