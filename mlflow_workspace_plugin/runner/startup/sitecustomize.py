"""What the Python of a run executes when it starts, because the run's PYTHONPATH begins here.

It serves the name ``azureml``, where this package is installed, and then executes the
``sitecustomize`` that Python would have found otherwise.
"""

import os
import sys

_FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib is slow to load


def _run_the_next() -> None:
    """Import the next ``sitecustomize`` in this one's place, with Python's own report of errors."""
    ours = sys.modules.pop("sitecustomize")
    sys.path[:] = [each for each in sys.path if os.path.abspath(each) != _FOLDER]  # noqa: PTH100
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", ours)


# Another Python than the run's, or the real azureml-core in it: there it is not for us to serve.
try:  # noqa: SIM105  contextlib is slow to load
    import mlflow_workspace_plugin.azureml  # noqa: F401  importing it is what it takes
except ImportError:
    pass

_run_the_next()
