"""Which routes a served hub has, and what each takes: one table a minor version of MLflow."""
