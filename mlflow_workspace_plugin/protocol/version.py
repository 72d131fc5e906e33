"""Which form of what they say to each other a served hub and its clients know."""

PROTOCOL = 1
"""What this version speaks."""
OLDEST = 1
"""The oldest that this version understands."""

_MOST_DIGITS = 9


def flaw_of(spoken: str | None) -> str | None:
    """Return what is wrong with the protocol that a client speaks; None if that is understood.

    Args:
        spoken: as its header says; None is a client that says nothing, such as MLflow's own.
    """
    if spoken is None:
        return None
    if not (spoken.isascii() and spoken.isdecimal() and len(spoken) <= _MOST_DIGITS):
        return "The protocol of a client is a number. Send one, or none."
    understood = f"and this hub understands {OLDEST} to {PROTOCOL}"
    if int(spoken) < OLDEST:
        return (
            f"The client speaks protocol {spoken}, {understood}. "
            "Install a newer mlflow-workspace-plugin where the script runs."
        )
    if int(spoken) > PROTOCOL:
        return (
            f"The client speaks protocol {spoken}, {understood}. "
            "Upgrade mlflow-workspace-plugin on the server, or install an older one for the script."
        )
    return None
