"""Sends a journal to a served hub.

An answer may be lost on its way. Then the same records come again, and the hub, which knows how far
it has the writer, says again what it refused, until it is told that this is known.
"""

import math
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol
from urllib.parse import quote

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, ErrorCode

from mlflow_workspace_plugin import errors
from mlflow_workspace_plugin.errors import (
    HubUnreachableError,
    JournalBehindError,
    UserErrorException,
)
from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.records import Kind, Record
from mlflow_workspace_plugin.journal.files.secret import JournalSecret
from mlflow_workspace_plugin.journal.sending.target import KeepRefused
from mlflow_workspace_plugin.protocol.journal import (
    CONTENT_TYPE,
    SECRET_HEADER,
    Batch,
    Refused,
    Reply,
    journal_of,
    reply_from_json,
    to_bytes,
)
from mlflow_workspace_plugin.protocol.statuses import Meaning, Said, understood
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_TOO_LARGE = 413
_BAD_REQUEST = 400
_CONFLICT = 409
_TOO_MANY = 429

# How long a hub that has too much to do is asked before it counts as away.
_BUSY_S = 3.0
_PAUSE_S = 0.3
_LONGEST_PAUSE_S = 1.0


class Answer(Protocol):
    """An answer of HTTP's."""

    @property
    def status_code(self) -> int:
        """Its status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers."""
        ...

    @property
    def content(self) -> bytes:
        """What it says."""
        ...


Ask = Callable[[str, str, bytes | None, Mapping[str, str]], Answer]
"""Asks a hub once: method, path, body and headers. It raises only where there is no answer."""


class JournalTarget:
    """Stores records in a workspace of a served hub. One thread at a time delivers.

    Args:
        ask: asks the hub.
        workspace: the name of the workspace.
        secret: of the folder of journals that is sent.
    """

    def __init__(self, ask: Ask, workspace: str, secret: JournalSecret) -> None:
        self._ask = ask
        self._path = f"/hub/v1/workspaces/{quote(workspace, safe='')}/journal"
        self._secret = secret
        # By writer, as the hub said last: how far it is, and what it refused.
        self._told: dict[str, Reply] = {}
        # By writer, of what is refused and known here: up to which record, and what of it no call
        # waited for.
        self._known: dict[str, tuple[int, list[int]]] = {}
        # By writer, of what is refused and was dealt with here: whether no call waited for it.
        self._dealt: dict[str, dict[int, bool]] = {}

    def deliver(self, writer: str, records: list[Record], keep_refused: KeepRefused) -> int:
        """Store the first of some records of a writer, but for those that are stored already.

        Args:
            writer: the id of the writer.
            records: in the order of their sequence.
            keep_refused: given each record that is refused.

        Returns:
            How many records were dealt with, at least one.

        Raises:
            JournalBehindError: the hub has less than it said before: it was restored.
            HubUnreachableError: it is away, or takes nothing of this journal now.
            Exception: as what asks raises.
        """
        answer = self._post(writer, records)
        said = _understood(answer)
        if said.meaning is Meaning.DONE:
            return self._dealt_with(writer, records, self._reply(writer, answer), keep_refused)
        if answer.status_code == _CONFLICT and said.error is not None:
            behind = reply_from_json(answer.content)
            self._told[writer] = behind
            raise JournalBehindError(str(said.error.get("message")), behind.sequence)
        if answer.status_code == _TOO_LARGE and len(records) > 1:
            return self.deliver(writer, records[: len(records) // 2], keep_refused)
        damaged = _line_of(said) if answer.status_code == _BAD_REQUEST else None
        if damaged:
            return self.deliver(writer, records[:damaged], keep_refused)
        if damaged == 0 or answer.status_code == _TOO_LARGE:
            # It is the only one, or the first, and would keep back all behind it for ever.
            keep_refused(
                records[0], MlflowException(_reason(answer, said), INVALID_PARAMETER_VALUE)
            )
            return 1
        raise self._error(answer, said)

    def last_sequence(self, writer: str) -> int:
        """Return the sequence of the last record of a writer that is stored; 0 if none is.

        Raises:
            HubUnreachableError: the hub is away, or knows the journal by another secret.
        """
        answer = self._asked("GET", f"{self._path}/{quote(writer, safe='')}", writer)
        said = _understood(answer)
        if said.meaning is not Meaning.DONE:
            raise self._error(answer, said)
        return self._reply(writer, answer).sequence

    def last_sequences(self, writers: Iterable[str]) -> dict[str, int]:
        """Return :meth:`last_sequence` of each of some writers."""
        return {writer: self.last_sequence(writer) for writer in writers}

    def refusals_of(self, writer: str) -> dict[int, Exception]:
        """Return by sequence what was refused of a writer, and nobody said to know."""
        told = self._told.get(writer)
        refused = [] if told is None else told.refused
        return {number: _error_of(each) for each in refused for number in each.sequences}

    def forget_refusals(self, writer: str, unheard: Collection[int]) -> None:
        """Say that what was refused of a writer by now is known.

        Raises:
            HubUnreachableError: the hub is away.
        """
        told = self._told.get(writer)
        if told is None or not told.refused:
            return
        self._known[writer] = told.sequence, list(unheard)
        answer = self._post(writer, [])
        said = _understood(answer)
        if said.meaning is not Meaning.DONE:
            raise self._error(answer, said)
        self._reply(writer, answer)

    def ping(self) -> None:
        """Ask the hub for any answer.

        Raises:
            HubUnreachableError: it is away, or takes nothing of this workspace now.
        """
        answer = self._ask("GET", self._path, None, {})
        said = _understood(answer)
        if said.meaning is not Meaning.DONE:
            raise self._error(answer, said)

    def _post(self, writer: str, given: list[Record]) -> Answer:
        """Send records; a hub that has too much to do is asked again for a while."""
        told, (known, unheard) = self._told.get(writer), self._known.get(writer, (0, []))
        lines = [
            records.line(
                each.sequence,
                records.body(Kind(each.kind), each.run_id, each.called_at, each.content),
            )
            for each in given
        ]
        follows = 0 if told is None else told.sequence
        body = to_bytes(Batch(writer, follows, lines, known, tuple(unheard)))
        end = time.monotonic() + _BUSY_S
        while True:
            answer = self._asked("POST", self._path, writer, body)
            pause = _pause_of(answer)
            if answer.status_code != _TOO_MANY or time.monotonic() + pause > end:
                return answer
            time.sleep(pause)

    def _asked(self, method: str, path: str, writer: str, body: bytes | None = None) -> Answer:
        headers = {SECRET_HEADER: self._secret.of(journal_of(writer))}
        if body is not None:
            headers["Content-Type"] = CONTENT_TYPE
        return self._ask(method, path, body, headers)

    def _reply(self, writer: str, answer: Answer) -> Reply:
        try:
            reply = reply_from_json(answer.content)
        except ValueError as error:
            raise HubUnreachableError(f"What answered {self._path} is no hub: {error}") from None
        known, _ = self._known.get(writer, (0, []))
        # What it was told just now is not among it any more.
        if not any(number <= known for each in reply.refused for number in each.sequences):
            self._known.pop(writer, None)
        self._told[writer] = reply
        return reply

    def _dealt_with(
        self, writer: str, given: list[Record], reply: Reply, keep_refused: KeepRefused
    ) -> int:
        """Keep what was refused; return how many records were dealt with."""
        refused = self.refusals_of(writer)
        by_sequence = {record.sequence: record for record in given}
        before, last = self._dealt.pop(writer, {}), given[-1].sequence
        dealt = {number: is_unheard for number, is_unheard in before.items() if number in refused}
        for number in sorted(refused):
            # What is behind these is told again with what comes next.
            if number > last or number in dealt:
                continue
            record = by_sequence.get(number)
            if record is None:
                _logger.warning("Record %d of %s was refused: %s", number, writer, refused[number])
            dealt[number] = record is None or keep_refused(record, refused[number])
        if any(number > last for number in refused):
            self._dealt[writer] = dealt
        elif refused:
            try:
                self.forget_refusals(writer, [number for number in sorted(dealt) if dealt[number]])
            except Exception as error:
                # It is said again with what comes next.
                self._dealt[writer] = dealt
                _logger.debug("%s", error, exc_info=error)
        done = sum(record.sequence <= reply.sequence for record in given)
        if done == 0:
            raise HubUnreachableError(
                f"The hub took nothing of journal {writer!r}: it is at record {reply.sequence}."
            )
        return done

    def _error(self, answer: Answer, said: Said) -> HubUnreachableError:
        return HubUnreachableError(
            f"The hub does not take what is logged now: {_reason(answer, said)}"
        )


def _understood(answer: Answer) -> Said:
    return understood(answer.status_code, answer.content, answer.headers.get("Content-Type", ""))


def _reason(answer: Answer, said: Said) -> str:
    """Return why something was not done."""
    message = str((said.error or {}).get("message") or "").strip()
    if said.meaning is Meaning.LOG_IN and not message:
        message = "it does not know who asks. Log in again: mlflow-workspace login"
    return message or (
        f"something answered with status {answer.status_code} that is not the hub, such as a proxy."
    )


def _line_of(said: Said) -> int | None:
    """Return which of the lines that were sent is damaged; None if it is none of them."""
    line = (said.error or {}).get("line")
    return line if type(line) is int and line >= 0 else None


def _pause_of(answer: Answer) -> float:
    try:
        wanted = float(answer.headers.get("Retry-After", _PAUSE_S))
    except ValueError:
        wanted = _PAUSE_S
    if math.isnan(wanted):
        wanted = _PAUSE_S
    # Not all at once that were sent away at once.
    return min(max(wanted, _PAUSE_S), _LONGEST_PAUSE_S) * random.uniform(0.5, 1)  # noqa: S311


def _error_of(refused: Refused) -> Exception:
    """Return the error that a record was refused with, of its class if that is one of ours."""
    known = getattr(errors, refused.error, None) if refused.error else None
    error: Exception
    if isinstance(known, type) and issubclass(known, UserErrorException):
        error = known(refused.message)
    else:
        is_known = refused.code in ErrorCode.keys()  # noqa: SIM118  no dict
        code = ErrorCode.Value(refused.code) if is_known else INVALID_PARAMETER_VALUE
        error = MlflowException(refused.message, code)
    return error
