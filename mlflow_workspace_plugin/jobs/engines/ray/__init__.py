"""A Ray cluster as an engine, by its Jobs API: Ray itself is on the cluster only."""
