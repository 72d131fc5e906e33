"""The database of a hub."""
