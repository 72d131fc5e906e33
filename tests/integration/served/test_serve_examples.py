"""The unit and the image of ``examples/serve``: what they say is what the programs take."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_workspace_plugin.cli.serving.serve import serve
from tests.conftest import EXAMPLES

FOLDER = EXAMPLES / "serve"
UNIT = FOLDER / "mlflow-workspace.service"
PROGRAM = "/opt/mlflow-workspace/bin/mlflow-workspace"
INSTRUCTIONS = {
    *("FROM", "COPY", "RUN", "USER", "ENV", "VOLUME", "WORKDIR", "EXPOSE", "STOPSIGNAL"),
    *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
}


def options_of(arguments):
    """What the command makes of its arguments; it fails on those that it does not take."""
    command, *rest = arguments
    assert command == "serve"
    return serve.make_context("serve", rest).params


def instructions():
    """The instructions of the image, each with what stands behind it."""
    text = (FOLDER / "Containerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(" ", 1)) for line in lines]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path):
    """Its own check finds nothing, once the program is one that is there."""
    here = Path(sys.executable).with_name("mlflow-workspace")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(PROGRAM, str(here)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, said) == (0, [])


def test_the_unit_starts_what_the_command_takes():
    """It serves the folder that systemd makes, and leaves requests the time that the server has."""
    said = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line)
    program, *arguments = shlex.split(said["ExecStart"])
    assert program == PROGRAM
    options = options_of(arguments)
    assert options["folder"] == f"/var/lib/{said['StateDirectory']}/hub"
    assert options["behind_proxy"]
    assert int(said["TimeoutStopSec"]) > 30
    assert said["KillMode"] == "mixed"


def test_the_image_starts_what_the_command_takes():
    """It is no root's, serves the volume to a proxy, and its health is that of the server."""
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS
    last = dict(found)
    assert json.loads(last["ENTRYPOINT"]) == ["mlflow-workspace"]
    options = options_of(json.loads(last["CMD"]))
    assert (options["folder"], options["host"]) == (last["VOLUME"], "0.0.0.0")
    assert options["behind_proxy"]
    assert options["trusted_proxies"]
    assert last["USER"] not in ("root", "0")
    check = json.loads(last["HEALTHCHECK"].partition(" CMD ")[2])
    compile(check[2], "HEALTHCHECK", "exec")
    assert f":{last['EXPOSE']}/hub/health" in check[2]
    extras = {"server", "postgresql", "azure"}
    (installed,) = [what for name, what in found if name == "RUN" and "pip install" in what]
    assert all(extra in installed for extra in extras)
