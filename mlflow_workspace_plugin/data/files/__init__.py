"""From the paths of a dataset to its files, and from there to this machine."""
