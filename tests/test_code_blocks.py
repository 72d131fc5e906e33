"""What the documentation shows is what happens: each page's code blocks run, in order."""

import shutil
from contextlib import contextmanager

import pytest

from tests.code_blocks import ROOT, Block, Reader, blocks_of, compare, pages, quick_programs


@pytest.fixture(scope="module")
def programs():
    with quick_programs() as folder:
        yield folder


PAGES = {
    str(page.relative_to(ROOT)): found
    for page in pages()
    if (found := [*blocks_of(page.read_text(encoding="utf-8"))])
}


@contextmanager
def naming(place):
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{place}: {error}") from None


FIRST_PAGES = ("README.md", "docs/quickstart.md", "docs/troubleshooting.md")


@pytest.mark.parametrize("page", PAGES)
def test_page(page, programs, tmp_path, sqlite_template):
    """In a folder of its own, and for who begins here without a hub."""
    if page not in FIRST_PAGES:
        # The same as the first call would make, in no time.
        shutil.copytree(sqlite_template, tmp_path / "default-hub")
    folder = tmp_path / "reader"
    folder.mkdir()
    reader = Reader(folder, programs)
    for block in PAGES[page]:
        with naming(f"{page}:{block.line}"):
            reader.read(block)


def test_scripts_that_pages_show_are_run():
    """A script that no later block of its page names would not be run by anything."""
    for page, blocks in PAGES.items():
        for number, block in enumerate(blocks):
            if block.title and block.title.endswith(".py") and not block.reason:
                later = "\n".join(each.text for each in blocks[number + 1 :] if not each.reason)
                assert block.title.split("/")[-1] in later, f"{page}:{block.line}"


MARKDOWN = """
Text.

```python
print(1)
```

<!-- not run: it takes
     a server -->
<!-- another comment -->

```sh
serve
```

- in a list:

  ```json title="config.json"
  {
    "a": 1
  }
  ```
"""


def test_blocks_are_found():
    """With their language, file, and why they are not run; also in lists."""
    assert [*blocks_of(MARKDOWN)] == [
        Block(4, "python", "print(1)\n"),
        Block(12, "sh", "serve\n", reason="it takes a server"),
        Block(18, "json", '{\n  "a": 1\n}\n', title="config.json"),
    ]


def test_a_block_that_is_not_known_is_not_passed_over(programs, tmp_path):
    """It has to say why it is not run."""
    reader = Reader(tmp_path, programs)
    reader.read(Block(1, "toml", "a = 1", reason="of another machine"))
    with pytest.raises(AssertionError, match="not run: the reason"):
        reader.read(Block(1, "toml", "a = 1"))


def test_state_goes_from_block_to_block(programs, tmp_path):
    """Files, exported variables and the working directory, but no names of Python's."""
    reader = Reader(tmp_path, programs)
    reader.read(Block(1, "sh", "mkdir here && cd here\nexport NAME=value"))
    reader.read(Block(2, "python", "import os\nopen('file', 'w').write(os.environ['NAME'])"))
    reader.read(Block(3, "console", "$ cat file\nvalue\n$ pwd\n/reader/here\n"))
    assert (tmp_path / "here" / "file").read_text() == "value"


def test_a_block_that_fails_is_found(programs, tmp_path):
    """As one that should fail and does not, and one that prints something else."""
    reader = Reader(tmp_path, programs)
    with pytest.raises(AssertionError, match="Exit status 3"):
        reader.read(Block(1, "python", "raise SystemExit(3)"))
    with pytest.raises(AssertionError, match="Exit status 0"):
        reader.read(Block(1, "console", "$ echo fine\nError: not fine\n"))
    with pytest.raises(AssertionError, match="'fine' is not in"):
        reader.read(Block(1, "console", "$ echo well\nfine\n"))


def test_what_is_shown_is_compared_loosely():
    """Ids, times, paths and widths may differ, words may not."""
    compare("Run 1ab2 is in /a/b", "before\nRun  77 is in /c\nafter")
    compare("a  1 s ago\nlast", "a     27 min ago\nlast")
    compare("a  1 s ago  x", "a  just now  x")
    compare("loss ... 3", "loss of this 4")
    with pytest.raises(AssertionError, match="'Run 1 is there'"):
        compare("Run 1 is there", "Run 2 is here")
    with pytest.raises(AssertionError, match="'first'"):
        compare("second\nfirst", "first\nsecond")
