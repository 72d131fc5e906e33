"""SDK v1's words for where data is: datastores, and references to paths of them."""
