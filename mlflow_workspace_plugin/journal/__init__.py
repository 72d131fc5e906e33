"""The durable queue between a logging call and the database: append first, send later."""
