"""SDK v1's metrics: what is logged, and how it is read back."""
