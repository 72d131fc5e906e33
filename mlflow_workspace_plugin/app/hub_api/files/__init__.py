"""Files of a served hub, to clients of this package."""
