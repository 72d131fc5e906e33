"""The folder of a hub."""
