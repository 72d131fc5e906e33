"""SDK v1's words for the data that a script gets, and for what it makes."""
