"""From the files of a journal to the store."""
