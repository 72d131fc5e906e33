"""An output with charts that can be zoomed, by anywidget, while the run goes on."""

from typing import Any

import anywidget
import traitlets

from mlflow_workspace_plugin.drawing.seen_run import SeenRun
from mlflow_workspace_plugin.drawing.texts import duration_text, time_text
from mlflow_workspace_plugin.sdk.widgets.front_end import Bundle, Output
from mlflow_workspace_plugin.web import FOLDER
from mlflow_workspace_plugin.web.bundle import module_bundle, style_sheet, uplot_script

_VIEW = "application/vnd.jupyter.widget-view+json"
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
    """An output that is a widget while the run goes on, and HTML at the end.

    A notebook keeps no widget: who opens it finds the HTML, not a widget that is no more. A page
    that was loaded again meanwhile has the widget of the notebook that was saved, and is told of
    nothing else. So that is there as long as the kernel, and shows the end, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._widget: _Widget | None = None

    def _bundle(self, seen: SeenRun | str) -> Bundle:
        bundle = super()._bundle(seen)
        if isinstance(seen, str) or seen.is_over:
            return bundle
        self._widget = _Widget()
        self._widget.take(seen)
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return {_VIEW: view, **bundle}

    def _update(self, seen: SeenRun | str) -> None:
        widget = self._widget
        if widget is None or isinstance(seen, str) or seen.is_over:
            super()._update(seen)
        if widget is not None and not isinstance(seen, str):
            widget.take(seen)

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
