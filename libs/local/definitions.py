"""What a workflow is called and knows: as the running system has it, or as its file says."""

from libs.common.errors import UnknownWorkflow
from libs.common.workflows import Workflow, load_workflow, parse_workflow
from libs.local.client import NotRunning
from libs.local.connections import console, local_settings


def workflow_named(name: str) -> Workflow:
    """Its newest revision; before the system runs or has read it, its file.

    Raises `UnknownWorkflow`; `Permanent` when its file has mistakes.
    """
    known = _running()
    if name in known:
        return known[name]
    folder = local_settings().workflows_folder
    path = folder / f"{name}.yaml"
    if not path.is_file():
        names = sorted({*known, *(each.stem for each in folder.glob("*.yaml"))})
        raise UnknownWorkflow(f"There is no workflow {name!r}. There are: {', '.join(names) or 'none'}")
    return load_workflow(path)


def _running() -> dict[str, Workflow]:
    """The workflows of the running system; none when it does not run."""
    try:
        with console() as client:
            found = client.get("/api/workflows")["workflows"]
    except NotRunning:
        return {}
    return {
        each["name"]: parse_workflow(each["definition"], origin=each["name"]) for each in found if each["definition"]
    }
