"""Snapshots of folders: what they hold, where a workspace keeps it, and how it comes back."""
