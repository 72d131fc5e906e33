"""Several runs: what they have in common and what not, experiments, saved views."""
