"""SDK v1's words for what is submitted."""
