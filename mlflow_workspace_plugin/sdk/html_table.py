"""How notebooks show SDK v1's objects."""

import html
from collections.abc import Iterable, Sequence


def html_table(texts: dict[str, str | None], links: dict[str, str]) -> str:
    """Return a table of one row.

    Args:
        texts: cells by heading.
        links: addresses by heading, of the cells that follow them.
    """
    cells = [*map(_escaped, texts.values()), *map(_link, links.values())]
    return _table([*texts, *links], [cells])


def _table(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_escaped(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table style="width:100%"><tr>{head}</tr>{body}</table>'


def _escaped(text: object) -> str:
    return html.escape(str(text))


def _link(address: str) -> str:
    return f'<a href="{_escaped(address)}" target="_blank" rel="noopener">Link to the page</a>'
