"""The names of SDK v1 that code uses: what it imports, and what it does with it.

What a variable holds is told by where it comes from, as far as that is plain to see.
"""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlflow_workspace_plugin.alias import answers, names
from mlflow_workspace_plugin.alias.answers import Answer
from mlflow_workspace_plugin.alias.finder import NAME


@dataclass(frozen=True)
class Module:
    """A module of SDK v1."""

    name: str


@dataclass(frozen=True)
class Named:
    """A name of a module, or what stands behind dots after it."""

    module: str
    path: str

    @property
    def served_class(self) -> str | None:
        """The served class that it is."""
        return answers.served_class(self.module, self.path)


@dataclass(frozen=True)
class Member:
    """A member of a served class."""

    of_class: str
    name: str


@dataclass(frozen=True)
class Instance:
    """An object of a served class."""

    of_class: str


@dataclass(frozen=True)
class Several:
    """Several objects of a served class: a list, an iterator, or a dict by name."""

    of_class: str


Meaning = Module | Named | Member | Instance | Several | None

_WORKSPACE, _EXPERIMENT = Instance("Workspace"), Instance("Experiment")
_RUN, _MODEL = Instance("Run"), Instance("Model")
_ENVIRONMENT, _TARGET = Instance("Environment"), Instance("ComputeTarget")
_CONDA, _CONFIGURATION = Instance("CondaDependencies"), Instance("RunConfiguration")
_ESTIMATORS = ("Estimator", "PyTorch", "TensorFlow", "Chainer", "SKLearn")
_ATTRIBUTES: dict[Member, Instance | Several] = {
    Member("Workspace", "experiments"): Several("Experiment"),
    Member("Workspace", "models"): Several("Model"),
    Member("Experiment", "workspace"): _WORKSPACE,
    Member("Experiment", "workspace_object"): _WORKSPACE,
    Member("Run", "experiment"): _EXPERIMENT,
    Member("Run", "parent"): _RUN,
    Member("Model", "run"): _RUN,
    Member("Model", "workspace"): _WORKSPACE,
    Member("Workspace", "compute_targets"): Several("ComputeTarget"),
    Member("Workspace", "environments"): Several("Environment"),
    Member("ScriptRunConfig", "run_config"): _CONFIGURATION,
    Member("RunConfiguration", "docker"): Instance("DockerConfiguration"),
    Member("RunConfiguration", "environment"): _ENVIRONMENT,
    Member("RunConfiguration", "mpi"): Instance("MpiConfiguration"),
    Member("RunConfiguration", "pytorch"): Instance("PyTorchConfiguration"),
    Member("RunConfiguration", "tensorflow"): Instance("TensorflowConfiguration"),
    Member("Environment", "docker"): Instance("DockerSection"),
    Member("Environment", "python"): Instance("PythonSection"),
    Member("PythonSection", "conda_dependencies"): _CONDA,
    **{Member(each, "run_config"): _CONFIGURATION for each in _ESTIMATORS},
    **{Member(each, "conda_dependencies"): _CONDA for each in _ESTIMATORS},
}
"""What attributes are."""
_RESULTS: dict[Member, Instance | Several] = {
    Member("Workspace", "create"): _WORKSPACE,
    Member("Workspace", "from_config"): _WORKSPACE,
    Member("Workspace", "get"): _WORKSPACE,
    Member("Workspace", "get_run"): _RUN,
    Member("Workspace", "setup"): _WORKSPACE,
    Member("Experiment", "get_runs"): Several("Run"),
    Member("Experiment", "list"): Several("Experiment"),
    Member("Experiment", "start_logging"): _RUN,
    Member("Experiment", "submit"): _RUN,
    Member("Run", "child_run"): _RUN,
    Member("Run", "create_children"): Several("Run"),
    Member("Run", "get"): _RUN,
    Member("Run", "get_children"): Several("Run"),
    Member("Run", "get_context"): _RUN,
    Member("Run", "get_submitted_run"): _RUN,
    Member("Run", "list"): Several("Run"),
    Member("Run", "register_model"): _MODEL,
    Member("Run", "submit_child"): _RUN,
    Member("Model", "list"): Several("Model"),
    Member("Model", "register"): _MODEL,
    Member("ComputeTarget", "attach"): _TARGET,
    Member("ComputeTarget", "create"): _TARGET,
    Member("ComputeTarget", "list"): Several("ComputeTarget"),
    Member("CondaDependencies", "create"): _CONDA,
    Member("RunConfiguration", "load"): _CONFIGURATION,
    Member("Environment", "list"): Several("Environment"),
    **{
        Member("Environment", each): _ENVIRONMENT
        for each in (
            "clone",
            "from_conda_specification",
            "from_docker_build_context",
            "from_docker_image",
            "from_dockerfile",
            "from_existing_conda_environment",
            "from_pip_requirements",
            "get",
            "load_from_directory",
            "register",
        )
    },
}
"""What methods return."""
_FIRST_OF = ("next", "min", "max")
_ALL_OF = ("list", "sorted", "reversed", "tuple", "iter")

Note = Callable[[str, Answer, int], None]
"""Is told of a use: the name as it is shown, what is said of it, and the line."""


class Reader(ast.NodeVisitor):
    """Reads code that shares its names: the cells of a notebook, or one file."""

    def __init__(self) -> None:
        self._note: Note = lambda name, answer, line: None
        self._scopes: list[dict[str, Meaning]] = [{}]
        self._of_self: dict[str, Meaning] = {}
        # Bodies of functions come last: they see what the module binds after them.
        self._later: list[tuple[list[dict[str, Meaning]], Iterable[ast.AST]]] = []

    def read(self, tree: ast.AST, note: Note) -> None:
        """Read a syntax tree after those before, and tell of each use in it."""
        self._note = note
        outermost = self._scopes
        self.visit(tree)
        while self._later:
            self._scopes, body = self._later.pop(0)
            for node in body:
                self.visit(node)
        self._scopes = outermost

    def visit_Import(self, node: ast.Import) -> None:
        """Bind what is imported."""
        for each in node.names:
            if _is_sdk_v1s(each.name):
                self._note(each.name, answers.of_module(each.name), node.lineno)
                bound = Module(each.name if each.asname else NAME)
                self._bind(each.asname or NAME, bound)
            else:
                self._bind(each.asname or each.name.partition(".")[0], None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Bind what is imported."""
        module = node.module or ""
        if node.level or not _is_sdk_v1s(module):
            for each in node.names:
                self._bind(each.asname or each.name, None)
            return
        for each in node.names:
            if each.name == "*":
                found = names.module_of(module)
                for name in () if found is None else found.starred:
                    self._bind(name, Named(module, name))
                self._note(f"{module}.*", answers.of_module(module), node.lineno)
            else:
                meaning = _in_module(module, each.name)
                self._use(meaning, node.lineno)
                self._bind(each.asname or each.name, meaning)

    def visit_Name(self, node: ast.Name) -> None:
        """Note a name that was imported."""
        if isinstance(node.ctx, ast.Load):
            meaning = self._entity(node)
            if isinstance(meaning, Named):
                self._use(meaning, node.lineno)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Note what stands behind a dot."""
        meaning = self._entity(node)
        self._use(meaning, node.lineno)
        before = self._entity(node.value)
        if meaning is None or not isinstance(before, (Module, Named)):
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        """Note a class that is called, or a module that is imported by its name."""
        called = self._entity(node.func)
        if isinstance(called, Named) and called.served_class is not None:
            self._use(Member(called.served_class, "__init__"), node.lineno, called)
        else:
            self.visit(node.func)
        for each in (*node.args, *node.keywords):
            self.visit(each)
        imports = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        imports = node.func.id if isinstance(node.func, ast.Name) else imports
        if imports in ("import_module", "__import__") and node.args:
            given = getattr(node.args[0], "value", None)
            if isinstance(given, str) and _is_sdk_v1s(given):
                self._note(given, answers.of_module(given), node.lineno)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Bind what is assigned."""
        self.visit(node.value)
        for target in node.targets:
            self._assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Bind what is assigned, or annotated."""
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self._assign(node.target, node.value)
        if node.value is None or self._value(node.value) is None:
            self._bind_target(node.target, self._annotated(node.annotation))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Bind what is assigned."""
        self.visit(node.value)
        self._assign(node.target, node.value)

    def visit_For(self, node: "ast.For | ast.AsyncFor") -> None:
        """Bind what is iterated over."""
        self.visit(node.iter)
        self._bind_target(node.target, _each_of(self._value(node.iter)))
        for each in (*node.body, *node.orelse):
            self.visit(each)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Bind what is iterated over."""
        self.visit(node.iter)
        self._bind_target(node.target, _each_of(self._value(node.iter)))
        for each in node.ifs:
            self.visit(each)

    def _visit_comprehension_of(self, *parts: ast.expr, node: ast.AST) -> None:
        self._scopes.append({})
        for each in getattr(node, "generators", []):
            self.visit(each)
        for part in parts:
            self.visit(part)
        self._scopes.pop()

    def visit_ListComp(self, node: "ast.ListComp | ast.SetComp | ast.GeneratorExp") -> None:
        """Visit what is iterated over before what is made of it."""
        self._visit_comprehension_of(node.elt, node=node)

    visit_SetComp = visit_ListComp  # noqa: N815
    visit_GeneratorExp = visit_ListComp  # noqa: N815

    def visit_DictComp(self, node: ast.DictComp) -> None:
        """Visit what is iterated over before what is made of it."""
        self._visit_comprehension_of(node.key, node.value, node=node)

    def visit_With(self, node: "ast.With | ast.AsyncWith") -> None:
        """Bind what is entered."""
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self._assign(item.optional_vars, item.context_expr)
        for each in node.body:
            self.visit(each)

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_FunctionDef(self, node: "ast.FunctionDef | ast.AsyncFunctionDef") -> None:
        """Bind the function, and leave its body for later."""
        for each in node.decorator_list:
            self.visit(each)
        parameters = self._parameters(node.args)
        if node.returns is not None:
            self.visit(node.returns)
        self._bind(node.name, None)
        self._later.append(([*self._scopes, parameters], node.body))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Read its body with its parameters."""
        self._scopes.append(self._parameters(node.args))
        self.visit(node.body)
        self._scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Read the body of a class, whose names are its own."""
        for each in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(each)
        self._bind(node.name, None)
        self._scopes.append({})
        for statement in node.body:
            self.visit(statement)
        self._scopes.pop()

    def _parameters(self, arguments: ast.arguments) -> dict[str, Meaning]:
        """Note what stands in annotations and defaults; return what the parameters are."""
        found: dict[str, Meaning] = {}
        several = [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *several):
            found[each.arg] = None
            if each.annotation is not None:
                self.visit(each.annotation)
                if each not in several:
                    found[each.arg] = self._annotated(each.annotation)
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)
        return found

    def _annotated(self, annotation: ast.expr) -> Meaning:
        """Return what a variable of an annotation holds."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except (SyntaxError, ValueError):
                return None
        if isinstance(annotation, ast.BinOp):
            return self._annotated(annotation.left) or self._annotated(annotation.right)
        if isinstance(annotation, ast.Subscript):
            return self._annotated(annotation.slice)
        meaning = self._entity(annotation)
        of_class = meaning.served_class if isinstance(meaning, Named) else None
        return None if of_class is None else Instance(of_class)

    def _use(self, meaning: Meaning, line: int, shown: Named | None = None) -> None:
        if isinstance(meaning, Named):
            answer = answers.of_name(meaning.module, meaning.path)
            self._note(f"{meaning.module}.{meaning.path}", answer, line)
        elif isinstance(meaning, Module):
            self._note(meaning.name, answers.of_module(meaning.name), line)
        elif isinstance(meaning, Member):
            said = answers.of_member(meaning.of_class, meaning.name)
            if said is not None:
                name = f"{meaning.of_class}.{meaning.name}"
                self._note(f"{shown.path}()" if shown else name, said, line)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if (
            isinstance(target, (ast.Tuple, ast.List))
            and isinstance(value, (ast.Tuple, ast.List))
            and len(target.elts) == len(value.elts)
        ):
            for each, of_each in zip(target.elts, value.elts, strict=True):
                self._assign(each, of_each)
            return
        if not (isinstance(value, ast.Constant) and value.value is None):
            # None stands in for what another branch assigns.
            self._bind_target(target, self._value(value))

    def _bind_target(self, target: ast.expr, meaning: Meaning) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, meaning)
        elif isinstance(target, ast.Attribute) and _is_self(target.value):
            self._of_self[target.attr] = meaning
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each in target.elts:
                self._bind_target(each, None)
        elif isinstance(target, ast.Starred):
            self._bind_target(target.value, None)
        else:
            self.visit(target)

    def _bind(self, name: str, meaning: Meaning) -> None:
        self._scopes[-1][name] = meaning

    def _entity(self, node: ast.AST) -> Meaning:
        """Return what an expression names: a module, a name of it, a member, or a variable's."""
        if isinstance(node, ast.Name):
            found = [scope for scope in self._scopes if node.id in scope]
            return found[-1][node.id] if found else None
        if not isinstance(node, ast.Attribute):
            return None
        before = self._value(node.value)
        if isinstance(before, Module):
            return _in_module(before.name, node.attr)
        if isinstance(before, Named):
            of_class = before.served_class
            if of_class is not None:
                return Member(of_class, node.attr)
            return Named(before.module, f"{before.path}.{node.attr}")
        if isinstance(before, Instance):
            return Member(before.of_class, node.attr)
        return self._of_self.get(node.attr) if before is None and _is_self(node.value) else None

    def _value(self, node: ast.AST) -> Meaning:
        """Return what an expression holds."""
        if isinstance(node, (ast.Name, ast.Attribute)):
            entity = self._entity(node)
            return _ATTRIBUTES.get(entity) if isinstance(entity, Member) else entity
        if isinstance(node, ast.Call):
            return self._result(node)
        if isinstance(node, ast.Subscript):
            return _each_of(self._value(node.value))
        if isinstance(node, (ast.NamedExpr, ast.Await)):
            return self._value(node.value)
        if isinstance(node, ast.IfExp):
            return self._value(node.body) or self._value(node.orelse)
        if isinstance(node, ast.BoolOp):
            found = [self._value(each) for each in node.values]
            return next((each for each in found if each is not None), None)
        return None

    def _result(self, call: ast.Call) -> Meaning:
        called = self._entity(call.func)
        if isinstance(called, Member):
            return _RESULTS.get(called)
        if isinstance(called, Named):
            of_class = called.served_class
            if of_class is not None:
                return Instance(of_class)
            return _RUN if called.path == "get_run" else None
        if isinstance(call.func, ast.Name) and call.args:
            given = self._value(call.args[0])
            if call.func.id in _ALL_OF:
                return given if isinstance(given, Several) else None
            return _each_of(given) if call.func.id in _FIRST_OF else None
        if isinstance(call.func, ast.Attribute):
            several = self._value(call.func.value)
            if isinstance(several, Several):
                return several if call.func.attr == "values" else _each_of(several)
        return None


def _in_module(module: str, name: str) -> Module | Named:
    found = names.module_of(module)
    is_listed = found is not None and (name in found.served or name in found.not_served)
    if not is_listed and names.is_module(f"{module}.{name}"):
        return Module(f"{module}.{name}")
    return Named(module, name)


def _each_of(meaning: Meaning) -> Meaning:
    return Instance(meaning.of_class) if isinstance(meaning, Several) else None


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _is_sdk_v1s(module: str) -> bool:
    return module == NAME or module.startswith(f"{NAME}.")
