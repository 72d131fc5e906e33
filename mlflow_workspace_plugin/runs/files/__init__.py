"""The files of runs, between local folders and a hub."""
