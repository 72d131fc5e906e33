"""Our own pages, beside those of MLflow's UI: what is read, and what a browser may ask."""
