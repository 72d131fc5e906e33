"""What a run's metrics are, and which figures are made of each."""
