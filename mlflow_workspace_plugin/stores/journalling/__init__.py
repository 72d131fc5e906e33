"""What a journal does for a store, whatever is beneath: the SQL of a hub, or a server."""
