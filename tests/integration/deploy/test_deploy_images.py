"""The images' recipe without Docker: what it installs and copies is enough for each service to start."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from libs.local.plan import SERVICES

REPOSITORY = Path(__file__).resolve().parents[3]
RECIPE = (REPOSITORY / "deploy" / "service.Dockerfile").read_text("utf-8")
MOUNTED = re.findall(r"--mount=type=bind,source=(\S+?),target=\S+", RECIPE)
BUILD, SERVICE, MIGRATE = re.split(r"^FROM \S+(?: AS \w+)?$", RECIPE, flags=re.MULTILINE)[1:4]
EXPORT = re.search(r"uv export ((?:.*\\\n)*.*?);", BUILD)


def copies(stage: str) -> list[tuple[str, str]]:
    """What a stage copies out of the repository."""
    return re.findall(r"^COPY (?!--from)(\S+) (\S+)$", stage, flags=re.MULTILINE)


def lay_out(names: list[tuple[str, str]], service: str, folder: Path) -> None:
    """The files a container would have, in `folder`."""
    for source, target in names:
        origin = REPOSITORY / source.replace("${SERVICE}", service)
        place = folder / target.replace("${SERVICE}", service)
        if origin.is_dir():
            shutil.copytree(origin, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place = place / origin.name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, place)


def uv(*arguments: str, folder: Path, environment: Path) -> None:
    """Run uv as the recipe does; every download is already in its cache."""
    variables = {
        **os.environ,
        "VIRTUAL_ENV": str(environment),
        "UV_LINK_MODE": "hardlink",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    variables.pop("UV_PROJECT_ENVIRONMENT", None)
    # From the cache if it holds everything: after the first run no network is needed.
    for offline in ("1", "0"):
        command, cached = ["uv", *arguments], variables | {"UV_OFFLINE": offline}
        done = subprocess.run(command, cwd=folder, env=cached, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr)


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the virtual environments of the images lie."""
    return tmp_path_factory.mktemp("images")


def build(service: str, environments: Path) -> Path:
    """The Python of a service's image."""
    assert EXPORT
    folder, environment = environments / f"{service}-build", environments / f"{service}-venv"
    lay_out([(name, name) for name in dict.fromkeys(MOUNTED)], service, folder)
    asked = EXPORT[1].replace("\\\n", " ").replace('${EXTRA:+--extra "${EXTRA}"}', "").replace("${SERVICE}", service)
    requirements = environments / f"{service}.txt"
    words = [word.strip('"').replace("/tmp/requirements.txt", str(requirements)) for word in asked.split()]
    uv("venv", "--quiet", "--python", sys.executable, str(environment), folder=folder, environment=environment)
    uv("export", *words, folder=folder, environment=environment)
    uv("pip", "install", "--quiet", "--require-hashes", "-r", str(requirements), folder=folder, environment=environment)
    return environment / "bin" / "python"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_from_what_its_image_holds(service: str, environments: Path) -> None:
    python = build(service, environments)
    folder = environments / f"{service}-app"
    lay_out(copies(SERVICE), service, folder)
    assert sorted(path.name for path in (folder / "services").iterdir()) == ["__init__.py", service]
    code = f"import runpy, libs.common.probe; runpy.run_module('services.{service}', run_name='__main__')"
    done = subprocess.run(
        [python, "-c", code], cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    # Everything is imported, and what is missing is what only a site can say.
    assert "ModuleNotFoundError" not in done.stderr, done.stderr[-2000:]
    assert "CAMLOOP_ADMIN_TOKEN\n  Field required" in done.stderr, done.stderr[-2000:]


def test_the_migrating_image_holds_every_service_s_migrations(environments: Path) -> None:
    folder = environments / "migrate-app"
    lay_out(copies(SERVICE) + copies(MIGRATE), "console", folder)
    code = "from libs.common.migrating import services_here; print(*services_here())"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted(SERVICES)


def test_nothing_but_the_recipe_s_files_reaches_the_builder() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text("utf-8").split("\n")
    allowed = {line[1:].removesuffix("/**") for line in lines if line.startswith("!")}
    needed = {name.split("/${")[0] for name in MOUNTED} | {source.split("/${")[0] for source, _ in copies(SERVICE)}
    assert "*" in lines
    assert {
        name for name in needed if not any(name == each or name.startswith(f"{each}/") for each in allowed)
    } == set()
