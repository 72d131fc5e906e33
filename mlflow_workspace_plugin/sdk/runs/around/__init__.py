"""The run around a process, or none."""
