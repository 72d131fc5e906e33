"""Storing what a journal held."""
