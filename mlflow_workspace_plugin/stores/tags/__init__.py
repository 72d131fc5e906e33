"""Tags of ours on runs, and those that MLflow lets grow."""
