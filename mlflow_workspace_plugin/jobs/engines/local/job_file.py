"""What the spool holds of a job: written once, and used only if it is what was written."""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple


class DamagedJobError(Exception):
    """A job's file is not what was written."""


class SpooledJob(NamedTuple):
    """A job that waits on this machine, or runs.

    Attributes:
        run_id: of its run.
        command: the program and its arguments.
        environment: all of its environment, so also passwords that the hub refers to by name.
        umask: of who submitted it.
        slots: it starts when fewer jobs than that run on this machine.
        compute: the name of its compute target.
        compute_slots: it starts when fewer jobs than that run of its compute target.
        gpus: how many GPUs it wants.
        devices: those that it may have, as ``CUDA_VISIBLE_DEVICES`` names them.
    """

    run_id: str
    command: list[str]
    environment: dict[str, str]
    umask: int = 0o022
    slots: int = 1
    compute: str = "local"
    compute_slots: int | None = None
    gpus: int = 0
    devices: Sequence[str] = ()


def encode(job: SpooledJob) -> bytes:
    """Return a job as its file holds it: a line with the hash of the rest, and JSON."""
    text = json.dumps(job._asdict()).encode()
    return _digest(text) + b"\n" + text


def decode(stored: bytes) -> SpooledJob:
    """Return the job that a file holds; what a later version added is left out.

    Raises:
        DamagedJobError: it is not what was written.
    """
    digest, _, text = stored.partition(b"\n")
    if digest != _digest(text):
        raise DamagedJobError("its hash is another one")
    try:
        held = json.loads(text)
        return SpooledJob(**{name: held[name] for name in SpooledJob._fields if name in held})
    except (ValueError, TypeError) as error:
        raise DamagedJobError(str(error)) from error


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
