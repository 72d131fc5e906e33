"""How files of a served hub come and go."""

SIGNED = "account"
"""They are in a storage account, for whose blobs the hub signs."""

STREAMED = "hub"
"""They come and go through the hub's server."""

ACTS = ("create", "write", "append")
"""What may be signed for, beside reading."""

FILES_AT_ONCE = 1_000
"""The most files that one request is about."""

PIECE = 4 * 2**20
"""The most bytes that one request brings to the server."""

HASHED_AT_ONCE = 2 * 2**30
"""The most bytes that a server reads for one request, to tell whether a file is there already."""

ENDS_BEFORE = "MAX_READ_SIZE_EXCEEDED"
"""The code that says of a piece of a file that it would begin behind its end."""

REPLACED = "ABORTED"
"""The code that says that a file has not the content any more of which a piece is wanted."""

SNAPSHOT = "snapshot"
MANIFEST = "manifest"
"""What a client may ask about whether it is kept: a snapshot, a dataset's list of files."""
