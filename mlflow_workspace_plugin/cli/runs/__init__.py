"""The commands about runs: what there is, what is in one, and deleting it."""
