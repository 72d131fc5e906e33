"""SDK v1's datasets of rows."""
