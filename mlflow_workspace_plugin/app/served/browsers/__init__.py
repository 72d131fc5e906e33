"""What browsers are answered: the log-in page, our pages, MLflow's UI."""
