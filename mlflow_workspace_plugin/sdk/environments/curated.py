"""Microsoft's own environments, which are not here: what stands in for each."""

from typing import NamedTuple

_RESERVED = ("azureml", "microsoft")
_DATA_SCIENCE = ("numpy", "pandas", "scipy", "scikit-learn", "joblib", "matplotlib")
# By a word of the name; the first that is found counts.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "pytorch": ("torch", "torchvision", "tensorboard", "numpy", "pandas", "matplotlib"),
    "acpt": ("torch", "torchvision", "tensorboard", "numpy", "pandas", "matplotlib"),
    "tensorflow": ("tensorflow", "tensorboard", "numpy", "pandas", "matplotlib"),
    "lightgbm": ("lightgbm", *_DATA_SCIENCE),
    "xgboost": ("xgboost", *_DATA_SCIENCE),
    "onnx": ("onnxruntime", "numpy"),
    "dask": ("dask[complete]", *_DATA_SCIENCE),
    "pyspark": ("pyspark", "numpy", "pandas"),
    "minimal": (),
}


class Substitute(NamedTuple):
    """What stands in for an environment of Microsoft's.

    Attributes:
        packages: of pip.
        sentence: what is said of it.
    """

    packages: tuple[str, ...]
    sentence: str


def is_reserved(name: str) -> bool:
    """Whether environments of that name are Microsoft's."""
    return name.lower().startswith(_RESERVED)


def substitute(name: str) -> Substitute | None:
    """Return what stands in for an environment of Microsoft's; None if it is none of theirs."""
    if not is_reserved(name):
        return None
    found = (packages for word, packages in _FAMILIES.items() if word in name.lower())
    packages = next(found, _DATA_SCIENCE)
    has = f"one with the newest {', '.join(packages)}" if packages else "an empty one"
    return Substitute(
        packages,
        f"Environment {name!r} is one of Microsoft's, whose image is not here. In its place is "
        f"{has}. Use clone() to have packages or versions of your own.",
    )
