"""Seeing a run from the shell: as it goes on, as a picture, and as a file to send."""
