"""What a workflow is called and knows: asked where the command line runs, from the files the system started with."""

from libs.common.workflows import Workflow, load_workflow
from libs.local.connections import local_settings


class UnknownWorkflow(ValueError):
    """There is no such workflow; the text lists those there are."""


def workflow_named(name: str) -> Workflow:
    """Raises `UnknownWorkflow`; `Permanent` when its file has mistakes."""
    folder = local_settings().workflows_folder
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) or "none"
        raise UnknownWorkflow(f"There is no workflow {name!r} in {folder}. There are: {known}")
    return load_workflow(path)
