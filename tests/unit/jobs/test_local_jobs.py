"""The pure parts of this machine's engine: what is next, what a job's file says, which GPUs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.jobs.engines.local.cpus import cpus
from mlflow_workspace_plugin.jobs.engines.local.gpus import gpus_here
from mlflow_workspace_plugin.jobs.engines.local.job_file import (
    DamagedJobError,
    SpooledJob,
    decode,
    encode,
)
from mlflow_workspace_plugin.jobs.engines.local.schedule import Held, Next, Wants, next_to_start

# A variable of the environment may hold any bytes.
_texts = st.text(st.characters(codec="utf-8")) | st.binary().map(
    lambda each: each.decode("utf-8", "surrogateescape")
)
_jobs = st.builds(
    SpooledJob,
    run_id=_texts,
    command=st.lists(_texts, min_size=1),
    environment=st.dictionaries(_texts, _texts),
    umask=st.integers(0, 0o777),
    compute_slots=st.none() | st.integers(1),
    devices=st.lists(_texts),
)


@given(_jobs)
def test_file_round_trip(job):
    """What is written of a job is what is read, whatever bytes its environment holds."""
    assert decode(encode(job)) == job


@given(_jobs, st.data())
def test_damaged_file(job, data):
    """A file in which a byte is another one, or that ends early, is no job."""
    stored = bytearray(encode(job))
    where = data.draw(st.integers(0, len(stored) - 1))
    stored[where] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedJobError):
        decode(bytes(stored))
    with pytest.raises(DamagedJobError):
        decode(encode(job)[:where])


def wants(slots=2, compute="local", compute_slots=None, gpus=0, devices=("0", "1")):
    return Wants(slots, compute, compute_slots, gpus, devices)


ON_ONE = Held("local", ["0"])
ON_NONE = Held("local", [])


@pytest.mark.parametrize(
    ("waiting", "held", "expected"),
    [
        pytest.param([], [], None, id="nothing waits"),
        pytest.param([wants(), wants()], [], Next("0", []), id="the first one"),
        pytest.param([wants()], [ON_NONE, ON_NONE], None, id="no slot"),
        pytest.param([wants(1), wants(9)], [ON_NONE], None, id="the first one is waited for"),
        pytest.param(
            [wants(9, "one", 1), wants(9, "one", 1), wants(9)],
            [Held("one", [])],
            Next("2", []),
            id="a full target keeps only its own jobs waiting",
        ),
        pytest.param([wants(gpus=1)], [ON_ONE], Next("0", ["1"]), id="a free GPU"),
        pytest.param([wants(gpus=2)], [ON_ONE], None, id="too few GPUs"),
        pytest.param(
            [wants(gpus=2), wants(gpus=1)], [ON_ONE], None, id="GPUs in the order of who waits"
        ),
        pytest.param([wants(gpus=2), wants()], [ON_ONE], Next("1", []), id="who wants no GPU"),
    ],
)
def test_next(waiting, held, expected):
    """First in, first out; but nobody waits for what another one waits for and he does not want."""
    named = [(str(number), each) for number, each in enumerate(waiting)]
    assert next_to_start(named, held) == expected


@pytest.mark.parametrize(
    ("visible", "number", "expected"),
    [
        ("0,1", None, ["0", "1"]),
        ("2, 3", "1", ["2"]),
        ("GPU-1a2b,MIG-3", None, ["GPU-1a2b", "MIG-3"]),
        ("0,-1,1", None, ["0"]),
        ("", "4", []),
        ("-1", None, []),
        ("NoDevFiles", None, []),
        (None, "2", ["0", "1"]),
        (None, "0", []),
        (None, "two", []),
        (None, None, []),
    ],
)
def test_gpus_here(visible, number, expected, monkeypatch, tmp_path):
    """Those that CUDA would use, else as many as are said; without nvidia-smi there are none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, value in (("CUDA_VISIBLE_DEVICES", visible), ("MLFLOW_WORKSPACE_GPUS", number)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert gpus_here() == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [("echo 0; echo 1", ["0", "1"]), ("echo no devices were found; exit 9", [])],
)
def test_gpus_that_nvidia_smi_lists(script, expected, monkeypatch, tmp_path):
    """Nothing else is asked, so neither CUDA nor torch has to be there."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    assert gpus_here() == expected


def test_cpus():
    """There is one at least."""
    assert cpus() >= 1
