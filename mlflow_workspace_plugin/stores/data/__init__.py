"""Where the data of a workspace are, and what of them was registered under a name."""
