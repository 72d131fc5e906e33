"""An output with charts that can be zoomed, by anywidget, while the run goes on."""

from typing import Any

import anywidget
import traitlets
from IPython.display import display, update_display

from mlflow_workspace_plugin.drawing.seen_run import SeenRun
from mlflow_workspace_plugin.drawing.texts import duration_text, time_text
from mlflow_workspace_plugin.sdk.widgets.output import Bundle, Output
from mlflow_workspace_plugin.web import FOLDER
from mlflow_workspace_plugin.web.bundle import module_bundle, style_sheet, uplot_script

_VIEW = "application/vnd.jupyter.widget-view+json"
_NOTHING: Bundle = {"text/html": "", "text/plain": ""}
_SLOTS = 40


class _Widget(anywidget.AnyWidget):
    """What the browser is told of a run; a figure is told again only where it has changed."""

    _esm = "\n".join(
        [
            uplot_script(),
            module_bundle("notebook/run.js"),
            "export default { render: showRun };",
        ]
    )
    _css = "\n".join([style_sheet(), (FOLDER / "notebook" / "run.css").read_text("utf-8")])
    instead_of = traitlets.Unicode().tag(sync=True)
    """The class of what is hidden where the widget is seen."""
    run = traitlets.Dict().tag(sync=True)
    images = traitlets.Dict().tag(sync=True)
    locals().update({f"figure_{slot}": traitlets.Dict().tag(sync=True) for slot in range(_SLOTS)})

    def take(self, seen: SeenRun) -> None:
        """Tell what is seen of a run."""
        self.images = dict(seen.images)
        for slot, figure in enumerate(seen.figures[:_SLOTS]):
            # A figure grows in its place, and would be equal to itself.
            setattr(self, f"figure_{slot}", _copy(figure))
        self.run = _told(seen)


class RichOutput(Output):
    """An output with a widget below it, which hides it where it is seen, while the run goes on.

    Only the front end knows whether it shows widgets, and a kernel that is busy hears nothing of
    it. So the HTML is always kept as the run is, also where a widget stands for it.

    A notebook keeps no widget: who opens it finds the HTML, not a widget that is no more. A page
    that was loaded again meanwhile has the widget of the notebook that was saved, and is told of
    nothing else. So that is there as long as the kernel, and shows the end, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._class = f"mw-pictures-{self._id}"
        self._place: str | None = None
        self._widget: _Widget | None = None

    def _bundle(self, seen: SeenRun | str) -> Bundle:
        bundle = super()._bundle(seen)
        return {**bundle, "text/html": f'<div class="{self._class}">{bundle["text/html"]}</div>'}

    def _show(self, seen: SeenRun | str) -> None:
        super()._show(seen)
        if isinstance(seen, str) or not seen.is_over:
            self._place = f"{self._id}-widget"
            display(self._below(seen), raw=True, display_id=self._place)

    def _update(self, seen: SeenRun | str) -> None:
        super()._update(seen)
        if self._place is None or isinstance(seen, str):
            return
        if self._widget is None or seen.is_over:
            update_display(self._below(seen), raw=True, display_id=self._place)
        if self._widget is not None:
            self._widget.take(seen)

    def _below(self, seen: SeenRun | str) -> Bundle:
        """Return what stands below the HTML; nothing where no widget can be shown."""
        if isinstance(seen, str) or seen.is_over:
            return _NOTHING
        self._widget = _Widget(instead_of=self._class)
        self._widget.take(seen)
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return {_VIEW: view, **_NOTHING}

    def close(self) -> None:
        """Be shown no more: something else is in its place."""
        if self._widget is not None:
            self._widget.close()


def _told(seen: SeenRun) -> dict[str, Any]:
    return {
        "name": seen.name,
        "status": seen.status,
        "duration": _duration(seen.duration_ms),
        "facts": [["Experiment", seen.experiment], ["Id", seen.run_id], *map(list, seen.facts)],
        "reason": seen.reason,
        "note": seen.note,
        "page": seen.page,
        "at": time_text(seen.at),
        "is_over": seen.is_over,
        "metrics": [list(each) for each in seen.metrics],
        "children": [
            {**each._asdict(), "duration": _duration(each.duration_ms)} for each in seen.children
        ],
        "are_more_children": seen.are_more_children,
        "log_name": seen.log_name,
        "log": seen.log,
        "figures": min(len(seen.figures), _SLOTS),
        "left_out": max(0, len(seen.figures) - _SLOTS),
    }


def _duration(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else duration_text(milliseconds)


def _copy(figure: Any) -> dict[str, Any]:
    if figure["kind"] != "lines":
        return dict(figure)
    return {**figure, "series": [{**each} for each in figure["series"]]}
