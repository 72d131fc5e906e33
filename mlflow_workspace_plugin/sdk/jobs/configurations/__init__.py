"""SDK v1's ``RunConfiguration``, and what it is made of."""
