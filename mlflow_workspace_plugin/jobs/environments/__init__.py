"""What jobs need installed, and where that is."""
