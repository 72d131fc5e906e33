"""A run as it is shown: what it is, where it stands, what it holds, what it wrote."""
