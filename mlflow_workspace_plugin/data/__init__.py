"""Datastores and datasets: where data is, what a dataset is made of, and how it is read."""
