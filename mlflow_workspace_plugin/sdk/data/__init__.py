"""SDK v1's words for data: datastores, datasets, and how jobs get them."""
