"""Where data is: the hub's own storage, other storage services, the web, and this machine."""
