"""The vocabulary of Azure ML's SDK v1, thin over ``MlflowClient``."""
