"""The ASGI layer around MLflow's own server: what ``mlflow-workspace ui`` serves."""
