"""Secrets that are asked for: on the terminal, unseen, or by a line of standard input."""

import sys

import click


def ask_password(what: str, *, again: bool = False) -> str:
    """Return a password, which is typed, or one line of standard input.

    Args:
        what: is asked for, as people read it.
        again: have it typed twice, for one that is new.
    """
    if sys.stdin.isatty():
        password: str = click.prompt(what, hide_input=True, confirmation_prompt=again)
        return password
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise click.UsageError(f"{what}: nothing was typed. Give it by standard input, as a line.")
    return line
