"""What a name of SDK v1 that we do not serve is: importable, and an error when it is used."""

from typing import Any, NoReturn


def not_served(name: str, sentence: str) -> "NotServed":
    """Return what stands for a name of SDK v1.

    It can be imported, stand in an annotation, and be asked whether something is an instance of
    it, which nothing is. Calling it, deriving from it and using a public attribute of it raise
    ``NotServedError``.

    Args:
        name: the full name, such as ``azureml.core.Datastore``.
        sentence: what it was, and what to use instead.
    """
    module, _, short = name.rpartition(".")
    return NotServed(short, (), {"__module__": module, "__doc__": sentence})


class NotServed(type):
    """The type of what :func:`not_served` returns, which are classes without instances."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "NotServed":
        """Make the class; deriving from one comes here too, and is refused."""
        if bases:
            _refuse(bases[0])
        return super().__new__(cls, name, bases, namespace)

    def __call__(cls, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse to make an instance."""
        _refuse(cls)

    def __getattr__(cls, name: str) -> NoReturn:
        # What Python, pickle and inspect look for in any class, they do not find here.
        if name.startswith("_"):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        _refuse(cls)

    def __repr__(cls) -> str:
        return f"<{cls.__module__}.{cls.__name__}: not served>"


def _refuse(refused: type) -> NoReturn:
    from mlflow_workspace_plugin.errors import NotServedError

    raise NotServedError(
        f"{refused.__module__}.{refused.__name__} of Azure ML's SDK v1 is not served here. "
        f"{refused.__doc__}"
    )
