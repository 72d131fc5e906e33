"""SDK v1's ``Dataset``, ``FileDataset`` and ``TabularDataset``, and how they are made."""
