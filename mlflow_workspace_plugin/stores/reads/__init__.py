"""Reading runs, their metrics and what became of them."""
