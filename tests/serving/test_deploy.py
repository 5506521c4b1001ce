"""The files of deploy/ say what the server understands."""

import re
import shlex
import subprocess
from pathlib import Path

import yaml

from cornucopia.cli.serve import ServeConfig
from cornucopia.core.options import parse

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def served(words):
    """The settings that a command line gives, whose configuration is the example's."""
    assert words[0] == "serve"
    given = [str(ROOT / "recipes/serve.yaml") if word.endswith(".yaml") else word for word in words[1:]]
    return parse(ServeConfig, given, prog="cornucopia serve", summary="", positional="recipe")[0]


def test_the_compose_file_starts_the_server_with_keys_and_shows_it_to_this_machine_alone():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    for service in compose["services"].values():
        config = served(service["command"])
        assert config.open_to_others and config.keys_file == Path("/run/secrets/keys")
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]) and service["cap_drop"] == ["ALL"]
        assert int(service["stop_grace_period"].removesuffix("s")) > config.grace
        assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_the_unit_starts_the_server_and_waits_for_its_answers():
    unit = dict(re.findall(r"^(\w+)=(.+)$", (DEPLOY / "cornucopia.service").read_text(encoding="utf-8"), re.MULTILINE))
    config = served(shlex.split(unit["ExecStart"])[1:])
    assert not config.open_to_others and int(unit["TimeoutStopSec"]) > config.grace
    assert unit["DynamicUser"] == "yes" and "keys:" in unit["LoadCredential"]


def test_the_image_holds_what_it_copies_and_no_keys():
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1] if "$" not in word]
    assert all((ROOT / name).exists() for name in copied), copied
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*" and "!deploy" not in ignored
    assert "/deploy/keys.txt" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_the_wheelhouse_script_is_shell():
    subprocess.run(["bash", "-n", str(DEPLOY / "wheelhouse.sh")], check=True)
