"""Hubs: the folder, database and artifact root in which workspaces live."""
