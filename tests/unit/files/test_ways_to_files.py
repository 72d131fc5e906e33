"""There is one way to the files below a hub: everything else would follow the links in it."""

import ast
import re
from pathlib import Path

import pytest

import mlflow_workspace_plugin

PACKAGE = Path(mlflow_workspace_plugin.__file__).parent
TOUCHING = sorted(
    str(path.relative_to(PACKAGE))
    for folder in (
        "hub",
        "stores",
        "artifacts/*.py",
        "cli",
        "runs/files/transfer.py",
    )
    for path in (PACKAGE.glob(folder) if "*" in folder else [PACKAGE / folder])
    for path in (path.rglob("*.py") if path.is_dir() else [path])
)
"""The modules that handle files of hubs."""

OF_OTHERS = {
    "hub/files/tree.py": "is the one way",
    "hub/user_record.py": "the user's own records",
    "hub/files/filesystem.py": "the system's table of mounts",
    "artifacts/local_files.py": "the user's files, before they are stored",
    "cli/azureml.py": "this Python environment",
    "cli/jobs/submit.py": "the user's scripts",
    "cli/pages/browser.py": "the user's own folder",
    "cli/seen/one_file.py": "this package's own",
    "cli/seen/output.py": "a picture or a report, where the user wants it",
    "cli/seen/views.py": "the text of a view, where the user wants it",
    "cli/journals/folders.py": "journals",
    "cli/journals/status.py": "journals",
    "cli/journals/sync.py": "journals",
    "hub/ui_address.py": "the user's own folder",
}
"""Modules that open files of others than a hub."""

ALLOWED = {
    ("hub/databases/database.py", "check_magic"): "SQLite's file, as SQLite opens it",
    ("cli/hubs/health.py", "_files"): "the copy, in a temporary folder",
    ("cli/jobs/run.py", "_by_this_python"): "programs",
    ("hub/files/folder.py", "_read_settings"): "by a descriptor of the folder",
    ("hub/lock.py", "_has_open"): "the system's table of processes",
    ("hub/lock.py", "_others_with_open"): "the system's table of processes",
    ("hub/databases/log_in.py", "_try_again"): "memory",
    ("hub/trust.py", "load_trusted_settings"): "the hub's own folder",
    ("hub/upgrade.py", "_remove_all"): "names, which are removed by the tree",
    ("hub/upgrade.py", "_advice"): "names, which are said",
    ("artifacts/distant_space.py", "local_place"): "the copy, in the user's folder",
    ("artifacts/folder_repository.py", "fetch"): "the copy, in the user's folder",
    ("artifacts/folder_repository.py", "_download_file"): "the copy, in the user's folder",
    ("artifacts/folder_repository.py", "_is_copy"): "the copy, in the user's folder",
    ("artifacts/folder_repository.py", "_keep_time"): "an open file",
    ("stores/reads/exact_values.py", "_recorded"): "what repository.local() yields",
    ("runs/files/transfer.py", "fetch"): "the copy, in the user's folder",
    ("runs/files/transfer.py", "check_source"): "the user's file",
    ("runs/files/transfer.py", "_under_name"): "a temporary folder",
}
"""Functions that do, where others of the module are about a hub's files."""

OF_PATHS = {
    *("open", "write_text", "write_bytes", "read_text", "read_bytes", "mkdir", "rmdir", "unlink"),
    *("rename", "replace", "chmod", "lchmod", "touch", "symlink_to", "hardlink_to", "iterdir"),
    *("glob", "rglob", "walk", "copy", "move"),
}
OF_OS = {
    *("open", "mkdir", "makedirs", "rmdir", "remove", "removedirs", "unlink", "rename", "renames"),
    *("replace", "chmod", "chown", "link", "symlink", "truncate", "scandir", "listdir", "walk"),
    *("utime", "mkfifo", "mknod", "fwalk"),
}


OURS = re.compile(r"(\w+\.)*(_?tree|files)|folder|opened|above")
"""What trees and open folders are called."""


def ways(tree: ast.Module):
    """Yield the function and the call of each way to a file by its path."""
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and (name := way(node)):
                yield function.name, name


def way(call: ast.Call) -> str | None:
    function = call.func
    if isinstance(function, ast.Name):
        return "open" if function.id == "open" else None
    if not isinstance(function, ast.Attribute):
        return None
    of = function.value.id if isinstance(function.value, ast.Name) else ""
    if of == "os":
        return f"os.{function.attr}" if function.attr in OF_OS else None
    if of == "shutil":
        # These two take open files, and no file.
        return None if function.attr in ("copyfileobj", "disk_usage") else f"shutil.{function.attr}"
    # Of a tree or an open folder they are ours; text has a method replace() of two texts.
    is_ours = OURS.fullmatch(ast.unparse(function.value))
    is_text = function.attr == "replace" and len(call.args) == 2
    return function.attr if function.attr in OF_PATHS and not is_ours and not is_text else None


@pytest.mark.parametrize("module", [each for each in TOUCHING if each not in OF_OTHERS])
def test_module_goes_by_the_tree(module):
    """It opens, makes, renames, removes and changes nothing below a hub by a path."""
    tree = ast.parse((PACKAGE / module).read_text())
    found = {(function, name) for function, name in ways(tree)}
    assert {each for each in found if (module, each[0]) not in ALLOWED} == set()


def test_each_exception_is_one():
    """None is left of what is not done any more."""
    for module, function in ALLOWED:
        tree = ast.parse((PACKAGE / module).read_text())
        assert function in {name for name, _ in ways(tree)}, (module, function)


@pytest.mark.parametrize(
    "code",
    [
        *("open(p)", "p.write_text('x')", "os.remove(p)", "shutil.rmtree(p)", "p.replace(q)"),
        *("Path(p).open('rb')", "os.open(p, 0)", "p.parent.mkdir()", "folder.path.glob('*')"),
    ],
)
def test_ways_are_found(code):
    """Or the test above would claim nothing."""
    source = f"def f():\n    {code}"
    assert list(ways(ast.parse(source)))
