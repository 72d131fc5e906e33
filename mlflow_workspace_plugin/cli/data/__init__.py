"""``mlflow-workspace data``: the datasets and datastores of a workspace."""
