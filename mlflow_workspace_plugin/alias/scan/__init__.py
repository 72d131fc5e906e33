"""Reads a code base, without running any of it, for the names of SDK v1 that it uses."""
