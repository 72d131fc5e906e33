"""Commands about hubs and their workspaces."""
