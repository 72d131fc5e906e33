"""What changed of a run since somebody looked."""
