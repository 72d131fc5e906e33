"""Collects what the package knows of SDK v1: the names of its modules, the members of its classes.

Facts only: names and signatures, read from the sources of the real packages, none of which is run::

    pip install --no-deps --target core azureml-core==1.61.0.post4
    pip install --no-deps --target others azureml-contrib-run==1.62.0 azureml-datadrift==1.62.0 \
        azureml-interpret==1.62.0 azureml-mlflow==1.62.0.post6 \
        azureml-opendatasets==1.62.0 azureml-pipeline-core==1.62.0 azureml-pipeline-steps==1.62.0 \
        azureml-telemetry==1.62.0 azureml-tensorboard==1.62.0 azureml-train-automl-client==1.62.0 \
        azureml-train-core==1.62.0 azureml-widgets==1.62.0
    python -m tests.azureml_v1.collect core others

It writes ``modules.txt`` and ``classes.json`` in ``mlflow_workspace_plugin/alias/sdk_v1``.
"""

import ast
import copy
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlflow_workspace_plugin.alias import sdk_v1

_PACKAGE = "azureml"
# Other people's packages, which the real one carries with it.
_VENDORED = "azureml._vendor"

CLASSES = {
    "Run": "azureml.core.run",
    "_SubmittedRun": "azureml.core.run",
    "_OfflineRun": "azureml.core.run",
    "Workspace": "azureml.core.workspace",
    "Experiment": "azureml.core.experiment",
    "ViewType": "azureml.core.experiment",
    "Model": "azureml.core.model",
    "ResourceConfiguration": "azureml.core.resource_configuration",
    "AbstractAuthentication": "azureml.core.authentication",
    "RunStatus": "azureml._restclient.constants",
    "ScriptRun": "azureml.core.script_run",
    "ScriptRunConfig": "azureml.core.script_run_config",
    "RunConfiguration": "azureml.core.runconfig",
    "DockerConfiguration": "azureml.core.runconfig",
    "MpiConfiguration": "azureml.core.runconfig",
    "PyTorchConfiguration": "azureml.core.runconfig",
    "TensorflowConfiguration": "azureml.core.runconfig",
    "Environment": "azureml.core.environment",
    "PythonSection": "azureml.core.environment",
    "DockerSection": "azureml.core.environment",
    "CondaDependencies": "azureml.core.conda_dependencies",
    "ComputeTarget": "azureml.core.compute",
    "AmlCompute": "azureml.core.compute",
    "ComputeInstance": "azureml.core.compute",
    "RemoteCompute": "azureml.core.compute",
    "Estimator": "azureml.train.estimator",
    "PyTorch": "azureml.train.dnn",
    "TensorFlow": "azureml.train.dnn",
    "Chainer": "azureml.train.dnn",
    "SKLearn": "azureml.train.sklearn",
    "RunDetails": "azureml.widgets",
    "Dataset": "azureml.core.dataset",
    "AbstractDataset": "azureml.data.abstract_dataset",
    "FileDataset": "azureml.data.file_dataset",
    "TabularDataset": "azureml.data.tabular_dataset",
    "FileDatasetFactory": "azureml.data.dataset_factory",
    "TabularDatasetFactory": "azureml.data.dataset_factory",
    "DataType": "azureml.data.dataset_factory",
    "DatasetConsumptionConfig": "azureml.data.dataset_consumption_config",
    "OutputDatasetConfig": "azureml.data.output_dataset_config",
    "OutputFileDatasetConfig": "azureml.data.output_dataset_config",
    "OutputTabularDatasetConfig": "azureml.data.output_dataset_config",
    "HDFSOutputDatasetConfig": "azureml.data.output_dataset_config",
    "LinkFileOutputDatasetConfig": "azureml.data.output_dataset_config",
    "LinkTabularOutputDatasetConfig": "azureml.data.output_dataset_config",
    "InputDatasets": "azureml.core.run",
    "OutputDatasets": "azureml.core.run",
    "LinkOutput": "azureml.core.run",
    "Datastore": "azureml.core.datastore",
    "AzureBlobDatastore": "azureml.data.azure_storage_datastore",
    "AzureFileDatastore": "azureml.data.azure_storage_datastore",
    "AzureDataLakeGen2Datastore": "azureml.data.azure_data_lake_datastore",
    "DataPath": "azureml.data.datapath",
    "DataPathComputeBinding": "azureml.data.datapath",
    "DataReference": "azureml.data.data_reference",
    "DataReferenceConfiguration": "azureml.core.runconfig",
    "Data": "azureml.core.runconfig",
    "DataLocation": "azureml.core.runconfig",
    "OutputData": "azureml.core.runconfig",
    "OutputOptions": "azureml.core.runconfig",
    "RegistrationOptions": "azureml.core.runconfig",
    "UploadOptions": "azureml.core.runconfig",
    "MountOptions": "azureml.core.runconfig",
    "GlobsOptions": "azureml.core.runconfig",
}
"""The classes whose members are collected, and where they are defined."""

_NOT_MADE = ("Dataset", "AzureBlobDatastore", "AzureFileDatastore", "AzureDataLakeGen2Datastore")
"""Those of which scripts are given objects, and make none."""
_OF_OTHERS = ("__init__", "workspace", "name", "set_as_default", "unregister")
"""What the class ``Datastore`` stands for: calling it gives an object of another one."""


class Sources:
    """The modules of a folder of installed packages, as syntax trees."""

    def __init__(self, folder: Path) -> None:
        self._files = {}
        for file in sorted((folder / _PACKAGE).rglob("*.py")):
            parts = list(file.relative_to(folder).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            if all(part.isidentifier() for part in parts):
                self._files[".".join(parts)] = file
        self._trees: dict[str, ast.Module] = {}

    @property
    def modules(self) -> list[str]:
        return sorted(self._files)

    def tree(self, module: str) -> ast.Module:
        if module not in self._trees:
            text = self._files[module].read_text(encoding="utf-8-sig")
            self._trees[module] = ast.parse(text)
        return self._trees[module]

    def names(self, module: str) -> set[str]:
        """The names of a module that are SDK v1's own: defined there, or imported from it."""
        found: set[str] = set()
        for node in _statements(self.tree(module).body):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {
                    each.id
                    for target in targets
                    for each in ast.walk(target)
                    if isinstance(each, ast.Name)
                }
            elif isinstance(node, ast.ImportFrom):
                found |= self._imported(module, node)
        return {name for name in found if not name.startswith("__")}

    def declared(self, module: str) -> list[str] | None:
        """``__all__`` of a module; None if it has none."""
        declared: list[str] | None = None
        for node in self.tree(module).body:
            if isinstance(node, ast.Assign):
                targets: list[ast.expr] = node.targets
            elif isinstance(node, ast.AugAssign):
                targets = [node.target]
            else:
                continue
            if any(isinstance(each, ast.Name) and each.id == "__all__" for each in targets):
                listed = getattr(node.value, "elts", [])
                texts = [each.value for each in listed if isinstance(each, ast.Constant)]
                declared = [*(declared or []), *texts]
        return declared

    def source_of(self, module: str, node: ast.ImportFrom) -> str:
        """The full name of the module that a ``from ... import`` takes from."""
        if not node.level:
            return node.module or ""
        package = module.split(".")
        if self._files[module].name != "__init__.py":
            package.pop()
        package = package[: len(package) - node.level + 1]
        return ".".join([*package, *([node.module] if node.module else [])])

    def _imported(self, module: str, node: ast.ImportFrom) -> set[str]:
        source = self.source_of(module, node)
        if source.partition(".")[0] != _PACKAGE or source.startswith(_VENDORED):
            return set()
        if [each.name for each in node.names] != ["*"]:
            return {each.asname or each.name for each in node.names}
        return self.starred(source) if source in self._files else set()

    def starred(self, module: str) -> set[str]:
        """What ``from module import *`` gives of SDK v1's own names."""
        declared = self.declared(module)
        if declared is not None:
            return set(declared)
        return {name for name in self.names(module) if not name.startswith("_")}

    def class_of(self, module: str, name: str) -> tuple[str, ast.ClassDef] | None:
        """The definition of a class that a module defines or imports from SDK v1."""
        for node in _statements(self.tree(module).body):
            if isinstance(node, ast.ClassDef) and node.name == name:
                return module, node
            if isinstance(node, ast.ImportFrom):
                source = self.source_of(module, node)
                for each in node.names:
                    if (each.asname or each.name) == name and source in self._files:
                        return self.class_of(source, each.name)
        return None

    def members(self, module: str, name: str) -> dict[str, str | None]:
        """The public members of a class and of its bases, with the signatures of its methods."""
        found = self.class_of(module, name)
        if found is None:
            return {}
        module, definition = found
        own = {
            name: None if arguments is None else self._signature(module, definition, arguments)
            for name, arguments in _members(definition)
        }
        members: dict[str, str | None] = own
        for base in definition.bases:
            if isinstance(base, ast.Name):
                members = self.members(module, base.id) | members
        return own | members

    def _signature(self, module: str, owner: ast.ClassDef, arguments: ast.arguments) -> str:
        """Parameters as text, with the value of each constant that is a default."""
        for defaults in (arguments.defaults, arguments.kw_defaults):
            for place, default in enumerate(defaults):
                if isinstance(default, ast.Name):
                    constant = _constant(owner, default.id) or self.constant(module, default.id)
                    defaults[place] = constant or default
        return ast.unparse(arguments)

    def constant(self, module: str, name: str) -> ast.Constant | None:
        """The value of a name that a module defines or imports, if that is a constant."""
        for node in _statements(self.tree(module).body):
            if isinstance(node, ast.ImportFrom):
                source = self.source_of(module, node)
                for each in node.names:
                    if (each.asname or each.name) == name and source in self._files:
                        return self.constant(source, each.name)
        return _constant(self.tree(module), name)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those under ``if``, ``try`` and ``with`` included."""
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from _statements(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body)


def _constant(owner: "ast.ClassDef | ast.Module", name: str) -> ast.Constant | None:
    """The value of a name that a class or a module sets, if that is a constant or computed so."""
    for node in _statements(owner.body):
        if isinstance(node, ast.Assign):
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
            if name in names:
                try:
                    return ast.Constant(_value(node.value))
                except ValueError:
                    return None
    return None


def _value(expression: ast.expr) -> object:
    """What an expression of constants is, such as a number of seconds."""
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Mult):
        left, right = _value(expression.left), _value(expression.right)
        if isinstance(left, int) and isinstance(right, int):
            return left * right
    return ast.literal_eval(expression)


def _members(definition: ast.ClassDef) -> Iterator[tuple[str, ast.arguments | None]]:
    for node in definition.body:
        if isinstance(node, ast.FunctionDef):
            if node.name == "__init__" or not node.name.startswith("_"):
                yield node.name, _arguments(node)
            for each in ast.walk(node):
                if (
                    isinstance(each, ast.Attribute)
                    and isinstance(each.ctx, ast.Store)
                    and isinstance(each.value, ast.Name)
                    and each.value.id == "self"
                    and not each.attr.startswith("_")
                ):
                    yield each.attr, None
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, None
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and not target.id.startswith("_"):
                    yield target.id, None


def _arguments(function: ast.FunctionDef) -> ast.arguments | None:
    """The parameters of a method without ``self``; None of a property."""
    decorators = {ast.unparse(each) for each in function.decorator_list}
    if "property" in decorators or any(each.endswith(".setter") for each in decorators):
        return None
    arguments = copy.deepcopy(function.args)
    if "staticmethod" not in decorators:
        (arguments.posonlyargs or arguments.args).pop(0)
    for each in (*arguments.args, *arguments.kwonlyargs):
        each.annotation = None
    return arguments


def modules_text(core: Sources, others: Sources) -> str:
    """The text of ``modules.txt``, which :mod:`mlflow_workspace_plugin.alias.sdk_v1` reads."""
    lines = []
    package = ""
    for module in core.modules:
        starred, rest = [], []
        if not module.startswith(_VENDORED):
            starred = sorted(core.starred(module))
            rest = sorted(core.names(module) - set(starred))
        parent, _, last = module.rpartition(".")
        shown = f".{last}" if parent == package and package else module
        if shown == module:
            package = module
        lines.append(" ".join([shown, *starred, *(["|", *rest] if rest else [])]))
    lines.append("")
    lines += (
        " ".join([module, *sorted(others.starred(module))])
        for module in others.modules
        if "._" not in module
    )
    return "\n".join(lines) + "\n"


def classes_text(core: Sources, others: Sources) -> str:
    """The text of ``classes.json``."""
    classes = {
        name: (core if module in core.modules else others).members(module, name)
        for name, module in CLASSES.items()
    }
    for name in sdk_v1.KINDS_OF_RUNS:
        own = classes[name].keys() - classes["Run"].keys()
        classes[name] = {each: classes[name][each] for each in sorted(own)}
    for name in _NOT_MADE:
        del classes[name]["__init__"]
    for member in _OF_OTHERS:
        del classes["Datastore"][member]
    return json.dumps(classes, indent=1) + "\n"


def main() -> None:
    core, others = (Sources(Path(folder)) for folder in sys.argv[1:3])
    sdk_v1.MODULES.write_text(modules_text(core, others), encoding="utf-8")
    sdk_v1.CLASSES.write_text(classes_text(core, others), encoding="utf-8")


if __name__ == "__main__":
    main()
