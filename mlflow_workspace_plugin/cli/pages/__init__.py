"""MLflow's UI, and its pages in the browser."""
