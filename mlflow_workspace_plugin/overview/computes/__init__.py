"""What waits and what runs on compute targets."""
