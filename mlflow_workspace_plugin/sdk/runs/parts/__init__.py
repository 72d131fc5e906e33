"""The parts of SDK v1's ``Run``."""
