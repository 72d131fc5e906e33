"""Azure ML's SDK v1: what it had, and what of that is served here."""
