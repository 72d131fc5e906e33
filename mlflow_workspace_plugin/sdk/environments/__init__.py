"""SDK v1's ``Environment`` and what it is made of."""
