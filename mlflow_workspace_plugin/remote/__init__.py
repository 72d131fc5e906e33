"""The script's side of a served hub."""
