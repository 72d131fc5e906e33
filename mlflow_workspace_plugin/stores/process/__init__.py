"""What the process around a store is: its notebook, its active runs, what it is told."""
