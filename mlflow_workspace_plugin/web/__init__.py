"""What a browser is given: uPlot, modules of ours, a style sheet, and where they are.

The modules are served as they are, and put together for a file or a notebook by :mod:`.bundle`.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where the files are, below which everything may be served but Python's."""
UPLOT = FOLDER / "vendor" / "uplot"
"""uPlot as it was published, with its licence, its version and checksums."""
