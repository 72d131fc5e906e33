"""Our own routes of a served hub, which clients of this package use: JSON below ``/hub/v1``."""
