"""How much of everything there is: as wanted, or tiny."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The sizes of the databases and of one round of each workload."""

    name: str
    present_runs: int
    """Runs that share the metric's name with the run that is measured."""
    points: int
    """Values of each of them."""
    history: int
    """Values of the long run."""
    runs: int
    """Runs to search."""
    found: int
    """Runs to find among them."""
    found_ordered: int
    """Runs to find when they are ordered by a metric."""
    calls: int
    """Calls of log_metric in a round."""
    batches: int
    """Calls of log_batch in a round."""
    batch: int
    """Values in a batch."""
    seconds: float
    """How long the processes log side by side in a round."""
    large: int
    """Values of the very long run."""
    small_files: int
    """Files of 10 kB to upload."""
    large_file: int
    """Bytes of the large file."""


FULL = Sizes(
    name="full",
    present_runs=2000,
    points=1000,
    history=1_000_000,
    runs=10_000,
    found=1000,
    found_ordered=100,
    calls=500,
    batches=20,
    batch=1000,
    seconds=3,
    large=10_000_000,
    small_files=1000,
    large_file=2 * 2**30,
)
QUICK = Sizes(
    name="quick",
    present_runs=20,
    points=100,
    history=30_000,
    runs=100,
    found=50,
    found_ordered=10,
    calls=20,
    batches=2,
    batch=1000,
    seconds=0.5,
    large=20_000,
    small_files=50,
    large_file=64 * 2**20,
)
BY_NAME = {sizes.name: sizes for sizes in (FULL, QUICK)}
