"""Delivering records by hand, as a journal does."""


def deliver_all(store, writer, records):
    """Deliver records; return for each why it was refused, or None."""
    refused = {}

    def _keep(record, error):
        refused[record.sequence] = error
        return True

    done = 0
    while done < len(records):
        done += store.deliver(writer, records[done:], _keep)
    return [refused.get(record.sequence) for record in records]
