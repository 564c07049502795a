"""docker-compose.yml and the code agree: every service has its block, settings exist, secrets are asked for, little is open."""

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.settings import CommonSettings
from libs.local.commands.system import CONTAINER_SECRETS
from libs.local.plan import HTTP_PORTS, SERVICES

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
BLOCKS: dict[str, Any] = COMPOSE["services"]
OURS = {
    name: block["build"]["args"]["SERVICE"] for name, block in BLOCKS.items() if name != "migrate" and "build" in block
}
PUBLISHED = {"ingest", "registry"}
SECRET = re.compile(r"password|secret|token|access_key|access_key_id", re.IGNORECASE)
REQUIRED = re.compile(r"(?<!\$)\$\{(\w+):\?([^}]+)\}")


def settings_names(service: str) -> set[str]:
    """Every environment variable a service reads."""
    kind: type[CommonSettings] = importlib.import_module(f"services.{service}.settings").Settings
    prefix = kind.model_config.get("env_prefix", "")
    return {str(field.validation_alias or f"{prefix}{name}".upper()) for name, field in kind.model_fields.items()}


def test_every_service_has_a_block() -> None:
    packages = {path.parent.name for path in (REPOSITORY / "services").glob("*/__main__.py")}
    assert set(OURS.values()) == packages == set(SERVICES)


@pytest.mark.parametrize("block", sorted(OURS))
def test_every_variable_is_a_setting_of_its_service(block: str) -> None:
    unknown = set(BLOCKS[block]["environment"]) - settings_names(OURS[block])
    assert unknown == set(), f"{block} is given variables it does not read"


@pytest.mark.parametrize("block", sorted(OURS))
def test_a_service_gets_what_it_cannot_start_without(block: str) -> None:
    kind: type[CommonSettings] = importlib.import_module(f"services.{OURS[block]}.settings").Settings
    needed = {str(field.validation_alias) for field in kind.model_fields.values() if field.is_required()}
    assert needed <= set(BLOCKS[block]["environment"])


@pytest.mark.parametrize("block", sorted(OURS))
def test_port_and_health_check_are_the_service_s_own(block: str) -> None:
    service = OURS[block]
    port = str(HTTP_PORTS[service])
    assert BLOCKS[block]["environment"][f"{service.upper()}_HTTP_PORT"] == port
    assert BLOCKS[block]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}/healthz"


def test_only_ingest_and_the_registry_are_published() -> None:
    assert {name for name, block in BLOCKS.items() if "ports" in block} == PUBLISHED
    assert not any(block.get("network_mode") == "host" for block in BLOCKS.values())
    for name in PUBLISHED:
        (published,) = BLOCKS[name]["ports"]
        assert published.endswith(f":{HTTP_PORTS[name]}")


def test_no_secret_has_a_default_and_each_says_what_to_do() -> None:
    for name, block in BLOCKS.items():
        for variable, value in block.get("environment", {}).items():
            if SECRET.search(variable):
                found = REQUIRED.fullmatch(value)
                assert found, f"{name}: {variable} must be ${{NAME:?what to do}}, not {value!r}"
                assert "camloop init --containers" in found[2]


def test_addresses_with_a_password_ask_for_it_too() -> None:
    addresses = re.findall(r"\w+://[^\s\"]*@[^\s\"]*", re.sub(REQUIRED, lambda found: f"<{found[1]}>", TEXT))
    assert addresses == ["postgresql://camloop:<POSTGRES_PASSWORD>@postgres:5432/camloop"] * 2


def test_init_writes_every_secret_that_is_asked_for() -> None:
    asked = {found[1] for found in REQUIRED.finditer(TEXT)}
    assert asked == {*CONTAINER_SECRETS, "CAMLOOP_ADMIN_TOKEN"}


def test_images_are_pinned() -> None:
    for name, block in BLOCKS.items():
        tag = re.sub(r"\$\{CAMLOOP_TAG:-\w+\}", "1", block["image"]).rpartition(":")[2]
        assert re.match(r"v?\d", tag), f"{name}: {block['image']} must name a version"
    recipe = (REPOSITORY / "deploy" / "service.Dockerfile").read_text(encoding="utf-8")
    images = re.findall(r"^FROM \$\{\w+\}/(\S+)", recipe, flags=re.MULTILINE)
    assert len(images) == 2
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_everything_has_a_health_check_and_services_wait_for_what_they_need() -> None:
    assert {name for name, block in BLOCKS.items() if "healthcheck" not in block} == {"migrate"}
    assert all("start_interval" in block["healthcheck"] for block in BLOCKS.values() if "healthcheck" in block)
    for name in OURS:
        waits = BLOCKS[name]["depends_on"]
        assert waits["migrate"]["condition"] == "service_completed_successfully"
        assert {waits[part]["condition"] for part in ("kafka", "postgres", "seaweedfs")} == {"service_healthy"}


def test_one_of_two_trainers_is_chosen_and_watching_is_a_choice() -> None:
    chosen = {name: block["profiles"] for name, block in BLOCKS.items() if "profiles" in block}
    watching = {name: ["obs"] for name in ("prometheus", "alertmanager", "grafana")}
    assert chosen == {"trainer": ["cpu"], "trainer-gpu": ["gpu"]} | watching
    assert BLOCKS["trainer-gpu"]["gpus"] == "all"
    assert "trainer" in BLOCKS["trainer-gpu"]["networks"]["default"]["aliases"]


@pytest.mark.parametrize("url", ["", "https://chat.example/hook?key=a&b=1"])
def test_alertmanager_starts_only_when_it_knows_where_alerts_go(url: str, tmp_path: Path) -> None:
    block = BLOCKS["alertmanager"]
    script = block["command"][0].replace("$$", "$").replace("exec /bin/alertmanager", "echo")
    script = script.replace("/tmp", str(tmp_path))  # first: the repository may lie below /tmp itself
    script = script.replace("/etc/camloop", str(REPOSITORY / "deploy" / "alertmanager"))
    command = [*block["entrypoint"], script]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", "ALERT_WEBHOOK_URL": url}, capture_output=True, text=True
    )
    if not url:
        assert done.returncode != 0
        assert "ALERT_WEBHOOK_URL=https://" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    (receiver,) = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())["receivers"]
    assert receiver["webhook_configs"][0]["url"] == url


def test_files_that_are_mounted_exist() -> None:
    mounted = [volume.split(":")[0] for block in BLOCKS.values() for volume in block.get("volumes", [])]
    ours = [path for path in mounted if path.startswith("./deploy")]
    assert ours
    assert [path for path in ours if not (REPOSITORY / path).exists()] == []
    named = {path for path in mounted if re.fullmatch(r"\w+", path)}
    assert named == set(COMPOSE["volumes"])
