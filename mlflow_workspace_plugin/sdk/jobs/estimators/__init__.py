"""SDK v1's ``Estimator``, and those of frameworks."""
