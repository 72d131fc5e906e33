"""Which file systems are shared between machines."""

from pathlib import Path

import pytest

from mlflow_workspace_plugin.hub.files.filesystem import file_system_type, is_network

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/local rw shared:3 - xfs /dev/sdb1 rw
32 22 0:42 / /mnt/my\040share rw - cifs //server/share rw
33 22 0:43 / /mnt/shadow rw - ext4 /dev/sdc1 rw
34 22 0:44 / /mnt/shadow rw - fuse.sshfs me@host: rw
""".strip()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/x", "ext4"),
        ("/home/me/hub", "nfs4"),
        ("/homework/hub", "ext4"),
        ("/home/local/hub", "xfs"),
        ("/mnt/my share/hub", "cifs"),
        ("/mnt/shadow/hub", "fuse.sshfs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(tmp_path, path, expected):
    """Mounts nest, shadow each other, and have spaces in their names."""
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert file_system_type(Path(path), table) == expected


def test_without_a_table_of_mounts_nothing_is_known(tmp_path):
    """Other systems have no such table."""
    assert file_system_type(tmp_path, tmp_path / "none") is None
    assert not is_network(None)


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "lustre", "fuse", "fuse.sshfs", "9p"]
)
def test_network_file_systems_are_known(kind):
    """Each of these may be written by two machines at once."""
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "apfs"])
def test_local_file_systems_are_known(kind):
    """Each of these belongs to one machine."""
    assert not is_network(kind)


def test_this_machines_table_is_understood():
    """The real table names a type for the root."""
    assert file_system_type(Path("/"))
