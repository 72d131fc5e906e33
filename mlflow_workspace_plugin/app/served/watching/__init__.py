"""What a served hub says of itself: health, readiness, metrics, the access log."""
