"""SDK v1's runs."""
