"""Ids of experiments, which are texts to MLflow's clients and numbers to the database."""

LARGEST = (1 << 31) - 1
"""A column holds no greater one."""
_MOST_DIGITS = 20


def number_of(experiment_id: object) -> int | None:
    """Return the number that an id of an experiment is.

    Args:
        experiment_id: of any type.

    Returns:
        None if it is none that an experiment could have: MLflow says what is wrong with it.
    """
    text = str(experiment_id)
    if len(text) > _MOST_DIGITS or not text.isdecimal():
        return None
    number = int(text)
    return number if number <= LARGEST else None
