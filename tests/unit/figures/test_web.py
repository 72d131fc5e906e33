"""What a browser is given: modules that can be put together, uPlot as published, and colours."""

import hashlib
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from mlflow_workspace_plugin.web import FOLDER, UPLOT
from mlflow_workspace_plugin.web.bundle import (
    module_bundle,
    modules_of,
    style_sheet,
    uplot_script,
)
from mlflow_workspace_plugin.web.palette import COLOURS

MODULES = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*.js")
    if "vendor" not in path.relative_to(FOLDER).parts
)
# What is put together for files and notebooks.
BUNDLED = [
    module
    for module in MODULES
    if module in {"figures/figure.js", "report/report.js", "notebook/run.js"}
]
# Ways from text to markup or code, and what a Content-Security-Policy refuses.
_FORBIDDEN = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "DOMParser",
    "createContextualFragment",
    "srcdoc",
    "eval(",
    "new Function",
    'setAttribute("style"',
    "toLocale",
    "Intl.",
)


@pytest.mark.parametrize("module", MODULES)
def test_module_can_be_put_behind_others(module):
    """Its imports and exports are of the forms that are left out without a change of meaning."""
    text = (FOLDER / module).read_text()
    for line in re.findall(r"^(?:import|export)\b.*", text, re.MULTILINE):
        assert re.match(
            r'import \{[^}*]*\} from "\.{1,2}/[\w./-]+\.js";$|import \{$'
            r"|export (?:async )?function \w+|export const \w+ =|export class \w+",
            line,
        ), line
    assert " as " not in "".join(re.findall(r"import \{[^}]*\}", text))
    assert "import(" not in text
    assert "import.meta" not in text
    for imported in re.findall(r'from "([^"]+)"', text):
        assert (FOLDER / module).parent.joinpath(imported).resolve().is_file(), imported


@pytest.mark.parametrize("entry", BUNDLED)
def test_bundle_is_without_imports_and_exports(entry):
    """And each name in it is of one module only, which putting them together sees to."""
    bundle = module_bundle(entry)
    assert not re.search(r"^(import|export)\b", bundle, re.MULTILINE)
    assert "</script" not in bundle.lower()
    assert "<!--" not in bundle


def test_name_of_two_modules_is_refused(tmp_path, monkeypatch):
    """The second one would silently be used in both."""
    monkeypatch.setattr("mlflow_workspace_plugin.web.bundle.FOLDER", tmp_path)
    (tmp_path / "a.js").write_text("export function a() {}\nfunction same() {}\n")
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nconst same = a;\n')
    with pytest.raises(ValueError, match=r"b\.js has a name of a\.js's: same"):
        module_bundle("b.js")


@pytest.mark.parametrize("module", MODULES)
def test_module_has_no_way_from_text_to_markup(module):
    """Nor one to code, nor does it write numbers as the browser's language does."""
    text = (FOLDER / module).read_text()
    assert [word for word in _FORBIDDEN if word in text] == []


def test_modules_stand_behind_those_that_they_import():
    """So that each name is defined when the statements of a module run."""
    ordered = modules_of("figures/figure.js")
    assert ordered[-1] == "figures/figure.js"
    assert len(set(ordered)) == len(ordered)
    for module in ordered:
        for imported in re.findall(r'from "([^"]+)"', (FOLDER / module).read_text()):
            path = (FOLDER / module).parent.joinpath(imported).resolve()
            behind = ordered.index(path.relative_to(FOLDER.resolve()).as_posix())
            assert behind < ordered.index(module)


def test_library_and_styles_end_no_element_of_a_page():
    """They can stand inside <script> and <style>."""
    assert "</script" not in uplot_script().lower()
    assert "<!--" not in uplot_script()
    assert "</style" not in style_sheet().lower()


def test_style_sheet_leaves_the_page_around_as_it_is():
    """Each rule is for what is below .mw, and nothing is loaded from elsewhere."""
    text = (FOLDER / "style.css").read_text()
    assert "url(" not in text
    assert "@import" not in text
    selectors = re.findall(r"(?:^|[{}])\s*([^{}@;]+)\{", re.sub(r"/\*.*?\*/", "", text, flags=re.S))
    for selector in itertools.chain.from_iterable(each.split(",") for each in selectors):
        assert re.search(r"\.mw(?![\w-])", selector), selector


def test_uplot_is_what_was_published():
    """Its files are those whose checksums are told, with the licence and the version."""
    told = json.loads((UPLOT / "vendored.json").read_text())
    assert told["license"] == "MIT"
    assert told["url"].endswith(f"uplot-{told['version']}.tgz")
    found = {path.name for path in UPLOT.iterdir()} - {"vendored.json"}
    assert found == set(told["files"])
    for name, file in told["files"].items():
        assert hashlib.sha256((UPLOT / name).read_bytes()).hexdigest() == file["sha256"]
    assert "MIT License" in (UPLOT / "LICENSE").read_text()


def test_curves_are_told_apart_by_the_colour_blind():
    """Of eight colours any two differ for each kind of sight, and stand out from light and dark."""
    text = (FOLDER / "colours.js").read_text()
    grounds = re.findall(r'surface: "(#[0-9a-f]{6})"', text)
    assert len(grounds) == 2
    assert len(COLOURS) == 8
    # Notebooks are on grounds of their own.
    for colour, ground in itertools.product(COLOURS, [*grounds, "#111111", "#1e1e1e"]):
        assert _contrast(colour, ground) >= 3
    for sight in _SIGHTS:
        for first, second in itertools.combinations(COLOURS, 2):
            assert _distance(first, second, sight) > 8, (sight, first, second)


# What is left of linear colours for those who lack one kind of cones (Machado and others, 2009).
_SIGHTS = {
    "all": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# To Oklab, in which distances are as they are seen.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _linear(colour):
    channels = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _distance(first, second, sight):
    seen = [np.clip(_SIGHTS[sight] @ _linear(colour), 0, 1) for colour in (first, second)]
    labs = [_LAB @ np.cbrt(_CONES @ colour) for colour in seen]
    return 100 * np.linalg.norm(labs[0] - labs[1])


def _contrast(first, second):
    lights = sorted(_linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (first, second))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def test_files_of_the_folder_are_packaged():
    """Whatever is below the folder is of a kind that the wheel takes along."""
    pyproject = Path(__file__).resolve().parents[3] / "pyproject.toml"
    patterns = re.findall(r'"(web/[^"]+)"', pyproject.read_text())
    packaged = {path for pattern in patterns for path in FOLDER.parent.glob(pattern)}
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            assert path in packaged, path
