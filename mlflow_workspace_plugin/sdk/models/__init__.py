"""SDK v1's models, on MLflow's registry."""
