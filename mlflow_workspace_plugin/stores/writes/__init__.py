"""Writing runs, params, tags and metrics, each call by one short transaction."""
