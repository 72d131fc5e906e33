"""The files of a hub in Azure Blob Storage."""
