"""``mlflow-workspace sync``: what was logged and is not stored yet."""
