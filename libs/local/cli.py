"""`camloop`: the command line. Every command takes `--json`."""

import json
import sys

import typer

from libs.common.errors import CamloopError
from libs.local.client import NotRunning, Refused
from libs.local.commands import (
    analyze,
    cameras,
    data,
    datasets,
    deadletters,
    demo,
    doctor,
    looking,
    models,
    reviewing,
    system,
    training,
    washing,
)
from libs.local.output import errors

app = typer.Typer(name="camloop", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Closes the loop between a plant's cameras and the models that watch them.")  # fmt: skip
for commands in (
    system,
    doctor,
    demo,
    cameras,
    data,
    reviewing,
    datasets,
    training,
    models,
    looking,
    washing,
    deadletters,
    analyze,
):
    app.add_typer(commands.app)


def main() -> None:
    """Run a command; what the system refuses is an error text, not a traceback."""
    try:
        app()
    except (NotRunning, Refused, CamloopError) as error:
        if "--json" in sys.argv:
            sys.stdout.write(json.dumps({"error": str(error)}, ensure_ascii=False) + "\n")
        errors.print(f"error: {error}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
