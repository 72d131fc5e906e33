"""Tokens of one's own, and accounts and roles for who may decide on them."""

from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin.accounts.identities import Identities
from mlflow_workspace_plugin.accounts.people import People, Person
from mlflow_workspace_plugin.accounts.principal import LEVELS, Cap, Principal
from mlflow_workspace_plugin.accounts.roles import ROLES, Role
from mlflow_workspace_plugin.accounts.tokens import LogIn, Tokens, while_good
from mlflow_workspace_plugin.app.hub_api.answers import PREFIX, Asked, get, post
from mlflow_workspace_plugin.app.hub_api.log_in import plain, said_of
from mlflow_workspace_plugin.app.hub_api.sent import (
    number_of,
    optional_text_of,
    text_of,
    texts_of,
    truth_of,
)
from mlflow_workspace_plugin.app.served.asking.workspace import no_role
from mlflow_workspace_plugin.errors import RoleNeededError, UserErrorException
from mlflow_workspace_plugin.hub.workspace_record import find
from mlflow_workspace_plugin.stores.build import workspace_store

_DAY_S = 86_400
_LONGEST_S = 366 * _DAY_S
_MOST_WORKSPACES = 100
_CAPS: tuple[Cap, ...] = ("read", "edit", "manage")
_MAX_BODY = 64 * 1024


def _tokens(asked: Asked) -> Any:
    principal = _known(asked)
    of_all = asked.query.get("of") == "all"
    if of_all:
        _refuse_unless(principal.is_admin, "see the log-ins of all accounts")
    found = Tokens(asked.hub).list(None if of_all else principal.name)
    return {"tokens": [_said_of_log_in(each) for each in found]}


@plain
def _new_token(asked: Asked) -> Any:
    """Give a machine a token, which may no more than who asks for it."""
    principal, said = _known(asked), asked.json()
    name = optional_text_of(said, "name") or principal.name
    _refuse_unless(name == principal.name or principal.is_admin, "give a token of another account")
    workspaces = texts_of(said, "workspaces", _MOST_WORKSPACES)
    if workspaces is not None:
        workspaces = _seen(asked, principal, workspaces)
    given = optional_text_of(said, "cap")
    cap: Cap | None = next((each for each in _CAPS if each == given), None)
    if given is not None and cap is None:
        raise UserErrorException(f"'cap' has to be one of {', '.join(_CAPS)}.")
    issued = Tokens(asked.hub).issue(
        name,
        kind="machine",
        seconds=number_of(said, "seconds", 60, _LONGEST_S, default=30 * _DAY_S),
        workspaces=workspaces,
        cap=cap,
        label=text_of(said, "label", 200, default=""),
        parent=principal.token,
        only_if=while_good(principal.token),
    )
    return said_of(issued)


@plain
def _job_token(asked: Asked) -> Any:
    """Let a job log in as who submitted it, to write to its run and what that makes below it."""
    principal, workspace = _known(asked), asked.path["workspace"]
    run_id = asked.path["run_id"]
    if not asked.access.may(principal, workspace, run_id=run_id, level="edit"):
        raise MlflowException(
            f"Run {run_id[:100]!r} is not in the workspace, or you may not write to it.",
            PERMISSION_DENIED,
        )
    job = workspace_store(asked.hub, workspace).job(run_id)
    if job is None or job.ended_at is not None:
        # It would outlive whatever it is asked with: such a token ends with its job.
        raise UserErrorException(
            f"Run {run_id!r} is no job, or has ended, and needs no token. Log in with one of yours."
        )
    caps: list[Cap] = ["edit", *([principal.cap] if principal.cap is not None else [])]
    issued = Tokens(asked.hub).issue(
        principal.name,
        kind="job",
        workspaces=[workspace],
        cap=min(caps, key=LEVELS.index),
        run_id=run_id,
        label=f"job {run_id}",
        parent=principal.token,
        only_if=while_good(principal.token),
    )
    return said_of(issued)


def _revoke(asked: Asked) -> Any:
    principal, wanted = _known(asked), text_of(asked.json(), "id")
    if not Tokens(asked.hub).revoke(wanted, None if principal.is_admin else principal.name):
        raise MlflowException(
            "There is no such log-in of yours, or it has ended already.", RESOURCE_DOES_NOT_EXIST
        )
    return {"ended": True}


def _users(asked: Asked) -> Any:
    return {"users": [_said_of_person(each) for each in People(asked.hub).list()]}


def _add_user(asked: Asked) -> Any:
    said = asked.json()
    name, password = text_of(said, "name"), optional_text_of(said, "password")
    People(asked.hub).add(name, password, is_admin=truth_of(said, "is_admin"))
    return {"name": name}


def _remove_user(asked: Asked) -> Any:
    name = text_of(asked.json(), "name")
    People(asked.hub).remove(name)
    return {"name": name}


@plain
def _set_password(asked: Asked) -> Any:
    """Set one's own password by the one before, or anybody's as an administrator."""
    principal, said = _known(asked), asked.json()
    name = optional_text_of(said, "name") or principal.name
    if name == principal.name:
        before = text_of(said, "before")
        is_right = asked.access.by_password(name, before, asked.client) is not None
        _refuse_unless(is_right, "set a password without giving the one before")
    else:
        _refuse_unless(principal.is_admin, "set the password of another account")
    People(asked.hub).set_password(name, text_of(said, "password"))
    return {"name": name}


def _set_admin(asked: Asked) -> Any:
    said = asked.json()
    name = text_of(said, "name")
    People(asked.hub).set_admin(name, is_admin=truth_of(said, "is_admin"))
    return {"name": name}


def _identities(asked: Asked) -> Any:
    return {"identities": [vars(each) for each in Identities(asked.hub).list()]}


def _bind(asked: Asked) -> Any:
    said = asked.json()
    name = text_of(said, "name")
    before = Identities(asked.hub).bind(name, text_of(said, "issuer"), text_of(said, "subject"))
    return {"name": name, "before": before}


def _unbind(asked: Asked) -> Any:
    said = asked.json()
    name = Identities(asked.hub).unbind(text_of(said, "issuer"), text_of(said, "subject"))
    return {"name": name}


def _grant(asked: Asked) -> Any:
    said, workspace = asked.json(), asked.path["workspace"]
    name, given = text_of(said, "name"), text_of(said, "role")
    role: Role | None = next((each for each in ROLES if each == given), None)
    if role is None:
        raise UserErrorException(f"'role' has to be one of {', '.join(ROLES)}.")
    People(asked.hub).grant(name, workspace, role)
    return {"name": name, "workspace": workspace, "role": role}


def _withdraw(asked: Asked) -> Any:
    name, workspace = text_of(asked.json(), "name"), asked.path["workspace"]
    People(asked.hub).withdraw(name, workspace)
    return {"name": name, "workspace": workspace}


def _seen(asked: Asked, principal: Principal, given: list[str]) -> list[str]:
    """Return the names, as MLflow knows them, of workspaces in which somebody has a role."""
    records, found = asked.hub.catalog.list(), []
    for each in given:
        record = find(records, each)
        if record is None or asked.access.level(principal, record.name) == "none":
            # In the same words whether it is there or not.
            raise RoleNeededError(no_role().message)
        found.append(record.name)
    return found


def _known(asked: Asked) -> Principal:
    if asked.principal is None:
        raise MlflowException("Log in first.", PERMISSION_DENIED)
    return asked.principal


def _refuse_unless(is_allowed: bool, what: str) -> None:  # noqa: FBT001
    if not is_allowed:
        raise MlflowException(
            f"You may not {what}. Ask an administrator of the hub.", PERMISSION_DENIED
        )


def _said_of_log_in(each: LogIn) -> dict[str, Any]:
    return {**vars(each)}


def _said_of_person(each: Person) -> dict[str, Any]:
    return {"name": each.name, "is_admin": each.is_admin, "roles": each.roles}


ROUTES = [
    get(f"{PREFIX}/tokens", _tokens),
    post(f"{PREFIX}/tokens", _new_token, _MAX_BODY),
    post(f"{PREFIX}/tokens/revoke", _revoke, _MAX_BODY),
    post(f"{PREFIX}/workspaces/{{workspace}}/runs/{{run_id}}/token", _job_token, _MAX_BODY),
    get(f"{PREFIX}/users", _users),
    post(f"{PREFIX}/users", _add_user, _MAX_BODY),
    post(f"{PREFIX}/users/remove", _remove_user, _MAX_BODY),
    post(f"{PREFIX}/users/admin", _set_admin, _MAX_BODY),
    get(f"{PREFIX}/users/identities", _identities),
    post(f"{PREFIX}/users/bind", _bind, _MAX_BODY),
    post(f"{PREFIX}/users/unbind", _unbind, _MAX_BODY),
    post(f"{PREFIX}/password", _set_password, _MAX_BODY),
    post(f"{PREFIX}/workspaces/{{workspace}}/roles", _grant, _MAX_BODY),
    post(f"{PREFIX}/workspaces/{{workspace}}/roles/remove", _withdraw, _MAX_BODY),
]
