"""Logging in by a provider of identities: OpenID Connect, for people with a browser."""
