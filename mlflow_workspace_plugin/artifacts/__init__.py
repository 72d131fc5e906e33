"""The files of a hub."""
