"""Metrics as charts show them: few points for many values, what changed, and kept answers."""
