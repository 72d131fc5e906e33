"""The files below a folder, reached without following a link."""

import os
import resource
import socket
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from mlflow_workspace_plugin.errors import ForeignFileError, UnsafeArtifactPathError
from mlflow_workspace_plugin.hub.files.tree import Tree
from mlflow_workspace_plugin.private_folder import make_private
from tests.deep_folders import nest


@pytest.fixture
def top(tmp_path) -> Path:
    folder = tmp_path / "top"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def outside(tmp_path) -> Path:
    """A folder of somebody else's, with a file."""
    folder = tmp_path / "outside"
    (folder / "b").mkdir(parents=True)
    for name in ("f", "b/f"):
        (folder / name).write_text("outside")
        (folder / name).chmod(0o604)
    return folder


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in (folder, *folder.rglob("*"))
    }


def write(tree: Tree, path: str, content: bytes) -> None:
    with tree.above(path, make=True) as (folder, name), folder.writing(name) as file:
        file.write(content)


def append(tree: Tree, path: str, lines: bytes) -> None:
    with tree.above(path, make=True) as (folder, name):
        folder.append(name, lines)


def append_at(tree: Tree, path: str, piece: bytes, at: int) -> bool:
    with tree.above(path) as (folder, name):
        return folder.append_at(name, piece, at)


def make(tree: Tree, path: str) -> None:
    with tree.folder(path, make=True):
        pass


def entries(tree: Tree, path: str) -> list[str]:
    with tree.folder(path) as folder:
        return [each.name for each in folder.entries()]


def share(tree: Tree, path: str) -> None:
    with tree.above(path) as (folder, name):
        folder.share(name)


THROUGH = [
    lambda tree: write(tree, "a/b/f", b"x"),
    lambda tree: append(tree, "a/b/f", b"x\n"),
    lambda tree: append_at(tree, "a/b/f", b"x\n", 0),
    lambda tree: make(tree, "a/b/new"),
    lambda tree: entries(tree, "a/b"),
    lambda tree: tree.open("a/b/f"),
    lambda tree: tree.remove("a/b/f"),
    lambda tree: share(tree, "a/b/f"),
    lambda tree: tree.is_folder("a/b"),
    lambda tree: tree.steady("a/b/f"),
]


@pytest.mark.parametrize("call", THROUGH)
@pytest.mark.parametrize("level", ["a", "a/b"])
def test_no_call_goes_through_a_link(top, outside, call, level):
    """At whichever part of the path it is; nothing outside is read or changed."""
    (top / level).parent.mkdir(exist_ok=True)
    (top / level).symlink_to(outside if level == "a" else outside / "b")
    before = state(outside)
    with pytest.raises(ForeignFileError, match="symbolic link"):
        call(Tree(top))
    assert state(outside) == before


@pytest.mark.parametrize(
    "call",
    [
        lambda tree: append(tree, "f", b"x\n"),
        lambda tree: append_at(tree, "f", b"x\n", len(b"outside\n")),
        lambda tree: tree.open("f"),
        lambda tree: share(tree, "f"),
    ],
)
@pytest.mark.parametrize("target", ["f", "missing"])
def test_no_call_follows_a_link_at_the_end(top, outside, call, target):
    """One that leads nowhere makes nothing come into being."""
    (top / "f").symlink_to(outside / target)
    before = state(outside)
    with pytest.raises(ForeignFileError):
        call(Tree(top))
    assert state(outside) == before


def test_link_is_replaced_or_removed_itself(top, outside):
    """By a new file of its name, and by removing; in a folder that is removed, too."""
    tree, before = Tree(top), state(outside)
    (top / "f").symlink_to(outside / "f")
    write(tree, "f", b"new")
    assert (top / "f").read_bytes() == b"new"
    assert not (top / "f").is_symlink()
    (top / "g").symlink_to(outside)
    tree.remove("g")
    (top / "deep/er").mkdir(parents=True)
    (top / "deep/er/l").symlink_to(outside)
    tree.remove("deep")
    assert [each.name for each in top.iterdir()] == ["f"]
    assert state(outside) == before


def test_folders_without_an_end_are_removed(top, outside):
    """Neither the depth of calls nor the limit on open files is in the way, nor any link."""
    tree, before = Tree(top), state(outside)
    (top / "kept").mkdir()
    nest(top / "deep", 1100, link=outside)
    nest(top / "plain", 1100)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The limit is on numbers, of which the tests before this one may hold many.
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, highest + 200), hard))
    try:
        assert tree.steady("plain") is None
        tree.remove("plain")
        tree.remove("deep")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [each.name for each in top.iterdir()] == ["kept"]
    assert state(outside) == before


def special(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_plain_file_keeps_nobody_waiting(tmp_path, monkeypatch, kind):
    """It is neither opened nor listed; a new file replaces it, and it can be removed."""
    monkeypatch.chdir(tmp_path)
    top = Path("top")
    top.mkdir()
    if kind == "device" and os.geteuid():
        pytest.skip("Only root makes devices.")
    tree = Tree(top)
    for name in ("f", "g"):
        special(top / name, kind)
    for call in (lambda: tree.open("f"), lambda: append(tree, "f", b"x\n")):
        with pytest.raises(ForeignFileError, match="pipe, a socket or a device"):
            call()
    assert entries(tree, "") == []
    assert tree.steady("") is None
    write(tree, "f", b"x")
    tree.remove("g")
    assert entries(tree, "") == ["f"]


def test_file_with_another_name_is_never_changed(top, outside):
    """Lines are appended to a copy, which takes its place; so is what has a new content."""
    tree, before = Tree(top), state(outside)
    for name in ("f", "g"):
        os.link(outside / "f", top / name)
    assert append_at(tree, "f", b"line\n", len(b"outside\n")) is False
    append(tree, "f", b"line\n")
    write(tree, "g", b"new")
    assert (top / "f").read_bytes() == b"outside\nline\n"
    os.link(outside / "f", top / "h")
    with pytest.raises(ForeignFileError, match="another name"):
        share(tree, "h")
    assert state(outside) == before


def test_lines_stay_lines(top):
    """A line that was cut is one of its own, and a new file gets the rights of the folder."""
    top.chmod(0o2770)
    tree = Tree(top)
    append(tree, "a/f", b"1\n2")
    append(tree, "a/f", b"3\n")
    assert (top / "a/f").read_bytes() == b"1\n2\n3\n"
    assert stat.S_IMODE((top / "a/f").stat().st_mode) == 0o660
    assert stat.S_IMODE((top / "a").stat().st_mode) == 0o2770


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_rights_are_those_of_the_folder_whatever_the_umask(top, umask):
    """Of what is made; what was there keeps its own."""
    (top / "old").mkdir(mode=0o755)
    before = os.umask(umask)
    try:
        write(Tree(top), "old/new/f", b"x")
        with Tree(top).folder("old") as folder, folder.writing("run", executable=True) as file:
            file.write(b"x")
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((top / name).stat().st_mode) for name in ("old", "old/new")}
    assert modes == {"old": 0o755, "old/new": 0o700}
    assert stat.S_IMODE((top / "old/new/f").stat().st_mode) == 0o600
    assert stat.S_IMODE((top / "old/run").stat().st_mode) == 0o700


def test_file_is_whole_or_not_there(top):
    """What cannot be written to its end leaves what was there, and nothing beside it."""
    tree = Tree(top)
    write(tree, "f", b"old")

    def break_off() -> None:
        with tree.folder() as folder, folder.writing("f") as file:
            file.write(b"ne")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        break_off()
    assert {each.name: each.read_bytes() for each in top.iterdir()} == {"f": b"old"}


def test_folder_that_is_exchanged_for_a_link_meanwhile(top, outside):
    """Again and again, between any two looks: nothing gets outside."""
    tree, before = Tree(top), state(outside)
    stopped = threading.Event()

    def exchange() -> None:
        (top / "link").symlink_to(outside)
        (top / "folder").mkdir()
        while not stopped.is_set():
            for name in ("folder", "link"):
                (top / name).rename(top / "a")
                (top / "a").rename(top / name)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for number in range(500):
            for call in (
                lambda: write(tree, "a/f", b"x"),
                lambda: append(tree, "a/g", b"x\n"),
                lambda: tree.open("a/f").read(),
                lambda: tree.remove("a/f"),
            ):
                # It is not there, or is a link, or goes while it is looked at.
                with suppress(ForeignFileError, OSError):
                    assert call() != b"outside", number
    finally:
        stopped.set()
        thread.join()
    assert state(outside) == before


def test_place_is_told_only_where_nobody_else_can_change_it(top, outside):
    """Readers that go by paths would follow what others put there."""
    tree = Tree(top)
    write(tree, "a/b/f", b"x")
    assert tree.steady("a") == top / "a"
    assert tree.steady("a/b/f") == top / "a/b/f"
    (top / "a/b/l").symlink_to(outside)
    assert tree.steady("a") is None
    (top / "a/b/l").unlink()
    for shared in (top, top / "a", top / "a/b"):
        mode = shared.stat().st_mode
        shared.chmod(0o770)
        assert tree.steady("a/b/f") is None
        assert tree.steady("a") is None
        shared.chmod(mode)
    assert tree.steady("") == top


def test_top_may_be_a_link_as_it_was(top, outside, tmp_path):
    """It is resolved once; what it is changed to later is not followed."""
    link = tmp_path / "link"
    link.symlink_to(top)
    tree = Tree(link)
    link.unlink()
    link.symlink_to(outside)
    write(tree, "new", b"x")
    assert (top / "new").exists()
    assert not (outside / "new").exists()
    top.rename(tmp_path / "moved")
    top.symlink_to(outside)
    with pytest.raises(OSError, match="top"):
        write(tree, "new", b"x")
    assert not (outside / "new").exists()


@pytest.mark.parametrize("path", ["..", "a/../../x", "/etc/x"])
def test_path_that_leads_out_is_refused(top, path):
    """Whoever gave it."""
    with pytest.raises(UnsafeArtifactPathError):
        Tree(top).is_folder(path)


def test_folders_of_ours_are_private_whatever_the_umask(tmp_path):
    """All that are made; the one above keeps its mode."""
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        make_private(tmp_path / "a/b/c")
    finally:
        os.umask(before)
    made = [tmp_path / name for name in ("a", "a/b", "a/b/c")]
    assert {stat.S_IMODE(each.stat().st_mode) for each in made} == {0o700}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_private(tmp_path / "file/x")
