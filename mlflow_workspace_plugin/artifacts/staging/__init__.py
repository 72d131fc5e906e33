"""Files that wait on this machine until the place of a hub's files takes them."""
