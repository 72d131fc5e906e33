"""What files and blocks are recognised by."""

from pathlib import Path

from azure.storage.blob import BlobProperties

from mlflow_workspace_plugin.artifacts.local_files import digest_of

SHA256 = "sha256"
"""The key, in the metadata of a blob, of the hash of its content."""


def recorded_sha256(properties: BlobProperties) -> str | None:
    """Return the SHA-256 that was kept with a blob; None for one that another program stored."""
    # Azure keeps the case of the key as it was given, and a copy may change it.
    metadata = properties.metadata or {}
    return next((text for key, text in metadata.items() if key.lower() == SHA256), None)


def is_verifiable(properties: BlobProperties) -> bool:
    """Whether a hash was kept with a blob."""
    return bool(recorded_sha256(properties) or properties.content_settings.content_md5)


def is_content_of(properties: BlobProperties, file: Path) -> bool | None:
    """Whether a file is what was stored as a blob; None when nothing was kept to tell that by."""
    sha256 = recorded_sha256(properties)
    if sha256 is not None:
        return digest_of(file, "sha256").hex() == sha256
    md5 = properties.content_settings.content_md5
    if md5 is not None:
        # What other programs keep.
        return digest_of(file, "md5") == bytes(md5)
    return None
