"""How notebooks show SDK v1's objects."""

import html


def html_table(texts: dict[str, str | None], links: dict[str, str]) -> str:
    """Return a table of one row.

    Args:
        texts: cells by heading.
        links: addresses by heading, of the cells that follow them.
    """
    cells = {heading: html.escape(str(text)) for heading, text in texts.items()}
    for heading, address in links.items():
        target = html.escape(address)
        cells[heading] = f'<a href="{target}" target="_blank" rel="noopener">Link to MLflow</a>'
    head = "".join(f"<th>{heading}</th>" for heading in cells)
    row = "".join(f"<td>{cell}</td>" for cell in cells.values())
    return f'<table style="width:100%"><tr>{head}</tr><tr>{row}</tr></table>'
