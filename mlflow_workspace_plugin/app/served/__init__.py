"""The ASGI layers of a served hub: what ``mlflow-workspace serve`` puts around MLflow's server."""
