"""Steps that SDK v1's datasets of files and of rows share: parts of what they have."""

import operator
import random
from typing import Any, SupportsIndex, TypeVar

from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset

Self = TypeVar("Self", bound="SubsetsOfDataset")
_SEEDS = 2**32


class SubsetsOfDataset(AbstractDataset):
    """A dataset of which parts can be taken."""

    def take(self: Self, count: int) -> Self:
        """Return the first of its elements (SDK v1).

        Args:
            count: how many.

        Raises:
            ValueError: it is no such number.
        """
        return self._and_then("take", count=_checked_count(count))

    def skip(self: Self, count: int) -> Self:
        """Return its elements without the first ones (SDK v1).

        Args:
            count: how many are left out.

        Raises:
            ValueError: it is no such number.
        """
        return self._and_then("skip", count=_checked_count(count))

    def take_sample(self: Self, probability: float, seed: int | None = None) -> Self:
        """Return some of its elements, drawn one by one (SDK v1).

        Args:
            probability: of an element to be one of them.
            seed: the same one draws the same again; None draws one now.

        Raises:
            ValueError: the probability or the seed is no such number.
        """
        share = _checked_share("probability", probability)
        return self._and_then("sample", probability=share, seed=_checked_seed(seed))

    def random_split(self: Self, percentage: float, seed: int | None = None) -> tuple[Self, Self]:
        """Return two datasets, of which each element is in one (SDK v1).

        Args:
            percentage: of an element to be in the first: from 0 to 1.
            seed: the same one splits the same way again; None draws one now.

        Raises:
            ValueError: the percentage or the seed is no such number.
        """
        share = _checked_share("percentage", percentage)
        drawn = _checked_seed(seed)
        first, second = (
            self._and_then("split", percentage=share, seed=drawn, part=part) for part in (0, 1)
        )
        return first, second


def _checked_count(count: Any) -> int:
    if isinstance(count, SupportsIndex) and operator.index(count) >= 0:
        return operator.index(count)
    raise ValueError(f"count must be a positive integer, and is {count!r}.")


def _checked_share(name: str, share: Any) -> float:
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"{name} must be a number between 0.0 and 1.0, and is {share!r}.")
    return float(share)


def _checked_seed(seed: Any) -> int:
    # As in SDK v1, in which 0 is none.
    if not seed:
        return random.randrange(_SEEDS)  # noqa: S311
    if not isinstance(seed, SupportsIndex):
        raise ValueError(f"seed must be an integer, and is {seed!r}.")
    return operator.index(seed)
