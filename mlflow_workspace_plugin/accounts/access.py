"""Who asks, and what they may do: all that a served hub decides on, with what is kept of it.

What is changed of accounts, roles and tokens takes effect within :data:`KEPT_S`, in every worker.
All of it is called from threads, never on a server's event loop.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from mlflow.store.tracking.dbmodels.models import (
    SqlExperiment,
    SqlLoggedModel,
    SqlRun,
    SqlTag,
)
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from sqlalchemy import Select, select, update
from sqlalchemy.orm import InstrumentedAttribute

from mlflow_workspace_plugin.accounts.attempts import Attempts
from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.accounts.kept import Kept
from mlflow_workspace_plugin.accounts.principal import LEVELS, Cap, Level, Principal
from mlflow_workspace_plugin.accounts.roles import make_roles
from mlflow_workspace_plugin.accounts.standing import Resource, Standing, read_standing
from mlflow_workspace_plugin.accounts.token_rows import (
    DAY_MS,
    TokenKind,
    end_with_children,
    hash_of,
    is_token,
    now_ms,
    token_transaction,
)
from mlflow_workspace_plugin.errors import HubError
from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.tables import JOBS, LOG_INS, TOKENS

Act = Literal["read", "edit", "manage"]
"""What is done with a run, an experiment or its files: deleting them is managing."""

KEPT_S = 4.0
"""How long an answer about tokens, accounts, roles and grants is kept; with the time that it took
to be found, less than five seconds."""
_PLACES_KEPT_S = 30.0
_MARKED_EACH_MS = 600_000
_DEEPEST = 50
# What is left of an ended job is sent by then, or by its user.
_AFTER_JOB_MS = DAY_MS
_AT_ONCE = 500
_NUMBER = re.compile(r"[0-9]{1,1000}")
"""Longer ones, of which Python makes no number, are no experiment's."""


class _Token(NamedTuple):
    """What a token stands for, as its rows have it."""

    log_in: str
    name: str
    user_id: int
    expires_at: int
    workspaces: frozenset[str] | None
    cap: Cap | None
    run_id: str | None


class Access:
    """Says who asks, and what they may do.

    Args:
        hub: the hub.
        takes_passwords: whether anybody logs in by a password.
    """

    def __init__(self, hub: Hub, *, takes_passwords: bool = True) -> None:
        self._hub = hub
        self._takes_passwords = takes_passwords
        self._accounts = accounts_of(hub)
        self._attempts = Attempts(hub)
        self._key = secrets.token_bytes(32)
        self._tokens: Kept[str, _Token] = Kept(KEPT_S)
        self._passwords: Kept[bytes, bool] = Kept(KEPT_S)
        self._standings: Kept[str, Standing] = Kept(KEPT_S)
        self._names: Kept[Literal["all"], list[str]] = Kept(KEPT_S)
        self._runs: Kept[str, tuple[str, str]] = Kept(_PLACES_KEPT_S, 100_000)
        self._experiments: Kept[str, str] = Kept(_PLACES_KEPT_S)
        self._below: Kept[tuple[str, str], bool] = Kept(_PLACES_KEPT_S, 100_000)
        self._with_roles: set[str] = set()

    def by_token(self, text: str) -> Principal | None:
        """Return whom an access token stands for; None if it is none, or has ended."""
        return self._by(text, "access")

    def by_cookie(self, text: str) -> Principal | None:
        """Return whom a browser's cookie stands for; None if it is none, or has ended."""
        return self._by(text, "cookie")

    def by_password(self, name: str, password: str, client: str | None = None) -> Principal | None:
        """Return who logs in by a password; None if it is wrong, or there is no such account.

        Args:
            name: of the account.
            password: its password.
            client: the address that asks, if that is known.

        Raises:
            TooManyAttemptsError: too many passwords were wrong.
        """
        if not self._takes_passwords or storable.NO_DATABASE_TAKES.search(name):
            return None
        given = f"{len(name)} {name} {password}".encode(errors="surrogatepass")
        proof = hmac.digest(self._key, given, hashlib.sha256)
        if self._passwords.get(proof) is None:
            self._attempts.check(name, client)
            asked_at = time.monotonic()
            if not self._is_password(name, password):
                self._attempts.failed(name, client)
                return None
            self._attempts.succeeded(name, client)
            self._passwords.put(proof, value=True, asked_at=asked_at)
        standing = self._standing(name)
        return None if standing is None else Principal(name, standing.is_admin)

    def level(self, principal: Principal, workspace: str) -> Level:
        """Return what somebody may do with what belongs to a workspace as a whole.

        That is by MLflow's roles, and then by what a token allows. The token of a job may change
        its run, and nothing of that kind: whoever lets it edit asks :meth:`may`, too.
        """
        standing = self._standing(principal.name)
        if standing is None or not _is_open(principal, workspace):
            return "none"
        by_roles = standing.level(workspace)
        caps: list[Level] = [principal.cap] if principal.cap is not None else []
        if principal.run_id is not None:
            caps.append("edit")
        return min([by_roles, *caps], key=LEVELS.index)

    def may(
        self,
        principal: Principal,
        workspace: str,
        *,
        run_id: str | None = None,
        experiment_id: str | None = None,
        level: Act = "read",
    ) -> bool:
        """Whether somebody may read, or change, a run, an experiment, or a workspace.

        What MLflow's server grants and denies for single experiments and for runs is heeded.

        Args:
            principal: who.
            workspace: the name MLflow knows.
            run_id: of the run; what is not in the workspace may not be touched.
            experiment_id: of the experiment, where no run is meant.
            level: what is to be done.
        """
        if run_id is not None:
            return run_id in self.may_runs(principal, workspace, [run_id], level)
        if level != "read" and principal.run_id is not None:
            return False
        if experiment_id is not None and _NUMBER.fullmatch(experiment_id):
            # As its row has it: what is granted or denied of 5 is so of 05.
            experiment_id = str(int(experiment_id))
        if experiment_id is None:
            return LEVELS.index(self.level(principal, workspace)) >= LEVELS.index(level)
        standing = self._standing_in(principal, workspace, level)
        if standing is None:
            return False
        is_there = self._is_in(experiment_id, workspace)
        return is_there and standing.may(workspace, experiment_id, level)

    def may_runs(
        self,
        principal: Principal,
        workspace: str,
        run_ids: Iterable[str],
        level: Act = "read",
    ) -> set[str]:
        """Return those of some runs that somebody may read, or change; see :meth:`may`."""
        standing = self._standing_in(principal, workspace, level)
        if standing is None:
            return set()
        experiments = {
            run_id: experiment_id
            for run_id, (place, experiment_id) in self._places_of(set(run_ids)).items()
            if place == workspace
        }
        allowed = _allowed(standing, workspace, experiments, level, "run")
        if level == "read":
            return allowed
        return {each for each in allowed if self._is_in_scope(principal, each)}

    def may_models(
        self,
        principal: Principal,
        workspace: str,
        model_ids: Iterable[str],
        level: Act = "read",
    ) -> set[str]:
        """Return those of some logged models that somebody may read, or change; see :meth:`may`.

        Of which run they are does not count, for the token of a job either: a job that evaluates
        the model of another run logs values of it.
        """
        standing = self._standing_in(principal, workspace, level)
        if standing is None:
            return set()
        query = select(SqlLoggedModel.model_id, SqlLoggedModel.experiment_id).join_from(
            SqlLoggedModel,
            SqlExperiment,
            SqlExperiment.experiment_id == SqlLoggedModel.experiment_id,
        )
        in_workspace = query.where(SqlExperiment.workspace == workspace)
        rows = self._rows_of(in_workspace, SqlLoggedModel.model_id, model_ids)
        experiments = {model_id: str(experiment_id) for model_id, experiment_id in rows}
        return _allowed(standing, workspace, experiments, level, "logged_model")

    def reads_registered(
        self, principal: Principal, workspace: str, names: Iterable[str]
    ) -> set[str]:
        """Return those of some registered models of a workspace that somebody may read.

        Args:
            principal: who.
            workspace: the name MLflow knows.
            names: of the models, which are in the workspace.
        """
        standing = self._standing_in(principal, workspace, "read")
        if standing is None:
            return set()
        return {each for each in set(names) if standing.reads_registered(workspace, each)}

    def sees_all(self, principal: Principal, workspace: str) -> bool:
        """Whether somebody may read every experiment and run of a workspace, as a list needs."""
        standing = self._standing_in(principal, workspace, "read")
        return standing is not None and standing.sees_all(workspace)

    def writes_somewhere(self, principal: Principal, workspace: str) -> bool:
        """Whether there may be runs in a workspace that somebody may change."""
        standing = self._standing_in(principal, workspace, "edit")
        return standing is not None and standing.writes_somewhere(workspace)

    def reads_shared(self, principal: Principal, workspace: str) -> bool:
        """Whether somebody may read what belongs to all in a workspace: data, code, views."""
        standing = self._standing_in(principal, workspace, "read")
        return standing is not None and standing.reads_shared(workspace)

    def in_workspace(self, workspace: str, run_ids: Iterable[str]) -> set[str]:
        """Return those of some runs that are in a workspace, whoever may see them."""
        places = self._places_of(set(run_ids))
        return {each for each, (place, _) in places.items() if place == workspace}

    def workspaces(self, principal: Principal) -> list[str]:
        """Return the names of the workspaces that somebody may see, as MLflow knows them."""
        standing = self._standing(principal.name)
        if standing is None:
            return []
        return [
            each
            for each in self._all_workspaces()
            if _is_open(principal, each) and standing.level(each) != "none"
        ]

    def _by(self, text: str, kind: TokenKind) -> Principal | None:
        if not is_token(text):
            return None
        token = self._token(text, kind)
        if token is None or token.expires_at <= now_ms():
            return None
        standing = self._standing(token.name)
        if standing is not None and standing.user_id != token.user_id:
            # It may be of an earlier account, and the token of the next one.
            standing = self._new_standing(token.name)
        if standing is None or standing.user_id != token.user_id:
            # An account that is made anew has nothing to do with it.
            with token_transaction(self._hub) as connection:
                end_with_children(connection, [token.log_in], "gone")
            return None
        is_scoped = not (token.workspaces is None and token.cap is None and token.run_id is None)
        return Principal(
            token.name,
            standing.is_admin and not is_scoped,
            token.log_in,
            token.workspaces,
            token.cap,
            token.run_id,
        )

    def _token(self, text: str, kind: TokenKind) -> _Token | None:
        key = f"{kind} {hash_of(text)}"
        kept = self._tokens.get(key)
        if kept is not None:
            return kept
        asked_at = time.monotonic()
        query = (
            select(
                TOKENS.c.used_at,
                TOKENS.c.expires_at.label("token_ends"),
                JOBS.c.ended_at.label("job_ended_at"),
                LOG_INS,
            )
            .join_from(TOKENS, LOG_INS, LOG_INS.c.id == TOKENS.c.log_in)
            .outerjoin(JOBS, JOBS.c.run_uuid == LOG_INS.c.run_uuid)
            .where(TOKENS.c.hash == hash_of(text), TOKENS.c.kind == kind)
            .where(LOG_INS.c.ended_at.is_(None))
        )
        with token_transaction(self._hub) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.used_at is None or row.used_at < now_ms() - _MARKED_EACH_MS:
            self._mark_used(text)
        scope = None if row.workspaces is None else frozenset(row.workspaces)
        ends = min(row.token_ends, row.expires_at)
        if row.job_ended_at is not None:
            ends = min(ends, row.job_ended_at + _AFTER_JOB_MS)
        token = _Token(row.id, row.name, row.user_id, ends, scope, row.cap, row.run_uuid)
        self._tokens.put(key, token, asked_at)
        return token

    def _mark_used(self, text: str) -> None:
        # That a pair arrived is worth knowing, and no reason to refuse it.
        with suppress(HubError), token_transaction(self._hub) as connection:
            of_token = TOKENS.c.hash == hash_of(text)
            connection.execute(update(TOKENS).where(of_token).values(used_at=now_ms()))

    def _is_password(self, name: str, password: str) -> bool:
        if self._standing(name) is None:
            # It takes as long as with an account that is there.
            self._accounts.store.authenticate_user(self._anybody(), password)
            return False
        return bool(self._accounts.store.authenticate_user(name, password))

    def _anybody(self) -> str:
        query = "SELECT username FROM users ORDER BY id LIMIT 1"
        with self._accounts.transaction() as connection:
            return str(connection.exec_driver_sql(query).scalar() or "")

    def _standing(self, name: str) -> Standing | None:
        kept = self._standings.get(name)
        return self._new_standing(name) if kept is None else kept

    def _new_standing(self, name: str) -> Standing | None:
        asked_at = time.monotonic()
        standing = read_standing(self._accounts, name)
        if standing is not None:
            self._standings.put(name, standing, asked_at)
        return standing

    def _standing_in(self, principal: Principal, workspace: str, level: Act) -> Standing | None:
        """Return an account's standing, unless its token lets it do nothing of the kind there."""
        caps: list[Cap] = [principal.cap] if principal.cap is not None else []
        if principal.run_id is not None:
            caps.append("edit")
        is_capped = any(LEVELS.index(each) < LEVELS.index(level) for each in caps)
        if is_capped or not _is_open(principal, workspace):
            return None
        return self._standing(principal.name)

    def _all_workspaces(self) -> list[str]:
        kept = self._names.get("all")
        if kept is None:
            asked_at = time.monotonic()
            kept = [each.name for each in self._hub.catalog.list()]
            # Whoever made it, somebody may want to give roles in it now.
            if not self._with_roles.issuperset(kept):
                make_roles(self._accounts, kept)
            self._with_roles = set(kept)
            self._names.put("all", kept, asked_at)
        return kept

    def _places_of(self, run_ids: set[str]) -> dict[str, tuple[str, str]]:
        """Return the workspace and experiment of runs, those that there are."""
        found = {each: kept for each in run_ids if (kept := self._runs.get(each)) is not None}
        asked_at = time.monotonic()
        query = select(SqlRun.run_uuid, SqlExperiment.workspace, SqlRun.experiment_id).join_from(
            SqlRun, SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id
        )
        rows = self._rows_of(query, SqlRun.run_uuid, run_ids - set(found))
        for run_id, workspace, experiment_id in rows:
            found[run_id] = (workspace, str(experiment_id))
            self._runs.put(run_id, found[run_id], asked_at)
        return found

    def _rows_of(
        self,
        query: Select[Any],
        column: InstrumentedAttribute[str],
        ids: Iterable[str],
    ) -> Iterator[Any]:
        """Yield the rows of a query that have one of some ids, which may be any texts."""
        wanted = [each for each in ids if not storable.NO_DATABASE_TAKES.search(each)]
        for start in range(0, len(wanted), _AT_ONCE):
            some = query.where(column.in_(wanted[start : start + _AT_ONCE]))
            with token_transaction(self._hub) as connection:
                rows = connection.execute(some).all()
            yield from rows

    def _is_in(self, experiment_id: str, workspace: str) -> bool:
        """Whether an experiment is in a workspace."""
        if self._experiments.get(experiment_id) == workspace:
            return True
        # What is kept may be of before: SQLite gives the number of a deleted one to the next.
        number = int(experiment_id) if _NUMBER.fullmatch(experiment_id) else 1 << 31
        if number >= 1 << 31:
            return False
        asked_at = time.monotonic()
        query = select(SqlExperiment.workspace).where(SqlExperiment.experiment_id == number)
        with token_transaction(self._hub) as connection:
            found = connection.scalar(query)
        if found is not None:
            self._experiments.put(experiment_id, found, asked_at)
        return bool(found == workspace)

    def _is_in_scope(self, principal: Principal, run_id: str) -> bool:
        """Whether a run is that of the token, or below it."""
        if principal.run_id in (None, run_id):
            return True
        key = (str(principal.run_id), run_id)
        if self._below.get(key):
            return True
        asked_at = time.monotonic()
        parent = select(SqlTag.value).where(SqlTag.key == MLFLOW_PARENT_RUN_ID)
        above: Any = run_id
        with token_transaction(self._hub) as connection:
            for _ in range(_DEEPEST):
                above = connection.scalar(parent.where(SqlTag.run_uuid == above))
                if above is None:
                    return False
                if above == principal.run_id:
                    self._below.put(key, value=True, asked_at=asked_at)
                    return True
        return False


def _allowed(
    standing: Standing,
    workspace: str,
    experiments: Mapping[str, str],
    level: Act,
    resource: Resource,
) -> set[str]:
    """Return those of some runs, or models, that may be touched, by the experiment of each."""
    may = {
        each: standing.may(workspace, each, level, resource) for each in set(experiments.values())
    }
    return {each for each, experiment_id in experiments.items() if may[experiment_id]}


def _is_open(principal: Principal, workspace: str) -> bool:
    return principal.workspaces is None or workspace in principal.workspaces
