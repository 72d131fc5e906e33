"""Delivering records by hand, as a journal does."""


def deliver_all(store, writer, records):
    """Deliver records; return for each why it was refused, or None."""
    outcomes = []
    while len(outcomes) < len(records):
        outcomes += store.deliver(writer, records[len(outcomes) :])
    return outcomes
