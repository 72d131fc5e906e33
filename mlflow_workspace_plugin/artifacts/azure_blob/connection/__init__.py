"""The way to a storage account: who asks, again when, and what its errors say."""
