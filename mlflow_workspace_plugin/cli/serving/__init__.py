"""Serving a hub to a team."""
