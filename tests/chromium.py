"""A real browser, and what is seen in it of figures."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PROGRAM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
PATIENCE_MS = 120_000
_LOOK_MS = 200
_TO_WHAT_IS_NOT_READ = (
    "() => document.querySelector('.mw-figure.is-waiting')?.scrollIntoView({ block: 'center' })"
)
# Such as "step 3: 0.5", with the name of the curve where it is another than the figure's.
_POINT = re.compile(r".* (?P<x>\S+): (?:.* )?(?P<y>\S+)")


@contextmanager
def chromium() -> Iterator[Any]:
    """Run Chromium until the block is left; yields playwright's browser."""
    from playwright.sync_api import sync_playwright

    assert PROGRAM, "Install Chromium (Debian: apt-get install chromium)."
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


def new_page(browser: Any, **options: Any) -> Any:
    """Open a page that is waited for where the machine is busy."""
    page = browser.new_page(**options)
    page.set_default_timeout(PATIENCE_MS)
    return page


def figure(page: Any, title: str) -> Any:
    """Return the element of a figure, once it is drawn: it is when it is scrolled to."""
    heading = page.get_by_role("heading", name=title, exact=True)
    found = page.locator(".mw-figure:not(.is-waiting)").filter(has=heading)
    for _ in range(PATIENCE_MS // _LOOK_MS):
        if found.count():
            break
        page.evaluate(_TO_WHAT_IS_NOT_READ)
        page.wait_for_timeout(_LOOK_MS)
    found.evaluate("element => element.scrollIntoView({ block: 'center' })", timeout=PATIENCE_MS)
    found.locator(".mw-figure-body > *").first.wait_for(state="attached", timeout=PATIENCE_MS)
    return found


def kind_of(element: Any) -> str:
    """Return the kind of a figure that is drawn."""
    classes = element.get_attribute("class").split()
    return next(each[3:] for each in classes if each.startswith("is-") and each != "is-compact")


def read_points(page: Any, element: Any) -> list[tuple[float, float]]:
    """Return the points of a figure of one curve, as its keys read them one after the other."""
    plot = element.get_by_role("img").first
    count = int(re.search(r"([\d,]+) points", plot.get_attribute("aria-label"))[1].replace(",", ""))
    plot.focus()
    spoken = element.locator(".mw-spoken")
    points = []
    for key in ["Home", *["ArrowRight"] * (count - 1)]:
        page.keyboard.press(key)
        found = _POINT.fullmatch(spoken.text_content().strip())
        points.append((_number(found["x"]), _number(found["y"])))
    return points


def _number(text: str) -> float:
    return float(text.strip().replace(",", ""))
