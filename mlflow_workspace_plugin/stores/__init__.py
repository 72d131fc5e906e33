"""What MLflow calls: the tracking store, the model registry and the store of workspaces."""
