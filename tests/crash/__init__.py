"""Real processes, really killed; real databases, really gone."""
