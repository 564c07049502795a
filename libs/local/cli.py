"""`camloop`: the command line. Every command takes `--json`."""

import sys

import typer

from libs.local.client import NotRunning, Refused
from libs.local.commands import cameras, data, demo, doctor, models, system
from libs.local.output import errors

app = typer.Typer(name="camloop", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Closes the loop between a plant's cameras and the models that watch them.")  # fmt: skip
for commands in (system, cameras, data, models, doctor, demo):
    app.add_typer(commands.app)


def main() -> None:
    """Run a command; what the system refuses is an error text, not a traceback."""
    try:
        app()
    except (NotRunning, Refused) as error:
        errors.print(f"error: {error}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
