"""SDK v1's charts: confusion matrices, accuracy tables, residuals and predictions."""
