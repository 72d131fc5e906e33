"""The files of a journal."""
