"""The figures of runs: what was logged, and which figures are made of it."""
