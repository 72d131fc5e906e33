"""Submitted scripts: what they are, where they run, and how they get there."""
