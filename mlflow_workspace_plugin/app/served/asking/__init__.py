"""Who asks, for which route, of which workspace, and what a request may hold."""
