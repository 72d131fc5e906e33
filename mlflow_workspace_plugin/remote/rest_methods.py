"""What MLflow's client of a server does, as a store that is none of MLflow's clients of servers."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.store.tracking.rest_store import RestStore

from mlflow_workspace_plugin.remote.endpoints import Endpoints
from mlflow_workspace_plugin.stores.journalling.beneath import Beneath

if TYPE_CHECKING:
    from mlflow.genai.scorers.online.entities import OnlineScoringConfig

_SCORERS = "/api/3.0/mlflow/scorers"
_MCP_SERVERS = "/api/3.0/mlflow/mcp-servers"
_SKILLS = "/api/3.0/mlflow/skills"


def methods_of(client: type) -> Callable[[type], type]:
    """Give a store the methods of a class that it is not derived from.

    Args:
        client: the class; what it has from MLflow's abstract store is left out.

    Returns:
        A decorator for the store; what that has itself stays its own.
    """

    def decorated(store: type) -> type:
        for each in client.__mro__:
            if each in AbstractStore.__mro__:
                continue
            for name, method in vars(each).items():
                own = inspect.getattr_static(store, name, None)
                is_free = own is None or own is inspect.getattr_static(AbstractStore, name, None)
                if is_free and not name.startswith("__"):
                    setattr(store, name, method)
        return store

    return decorated


@methods_of(RestStore)
class RestMethods(Beneath):
    """MLflow's methods of runs, traces and all else, asked by our HTTP.

    MLflow prints links to runs of its own clients of servers, which name no workspace, so this is
    none of them. No method asks by MLflow's HTTP.
    """

    _endpoints: Endpoints

    @property
    def supports_workspaces(self) -> bool:
        """False: a server must not take this store for one that follows each request."""
        return False

    def _validate_workspace_support_if_specified(self) -> None:
        # Which workspace is meant stands in the URI.
        pass

    def upsert_online_scoring_config(
        self,
        experiment_id: str,
        scorer_name: str,
        sample_rate: float,
        filter_string: str | None = None,
    ) -> "OnlineScoringConfig":
        """Create or change how a scorer is applied to new traces, as MLflow's client does.

        Args:
            experiment_id: of the scorer.
            scorer_name: of the scorer.
            sample_rate: the part of the traces that it is applied to.
            filter_string: to which traces; None is all.

        Raises:
            HubError: the hub did not answer, or does not know who asks.
            MlflowException: it refuses that.
        """
        wanted = {"experiment_id": experiment_id, "name": scorer_name, "sample_rate": sample_rate}
        if filter_string is not None:
            wanted["filter_string"] = filter_string
        said = self._endpoints.ask("PUT", f"{_SCORERS}/online-config", json=wanted)
        return _scoring(said["config"])

    def get_online_scoring_configs(self, scorer_ids: list[str]) -> "list[OnlineScoringConfig]":
        """Return how scorers are applied to new traces, as MLflow's client does.

        Args:
            scorer_ids: of the scorers; one that is applied to none has nothing in what is returned.

        Raises:
            HubError: the hub did not answer, or does not know who asks.
            MlflowException: it refuses that.
        """
        if not scorer_ids:
            return []
        wanted = {"scorer_ids": scorer_ids}
        said = self._endpoints.ask("GET", f"{_SCORERS}/online-configs", params=wanted)
        return [_scoring(each) for each in said["configs"]]

    def _mcp_request(
        self,
        method: str,
        path: str,
        json: Any = None,
        params: Any = None,
        retry_safe: bool = False,  # noqa: FBT001, FBT002  as MLflow's
    ) -> Any:
        return self._endpoints.ask(
            method, _MCP_SERVERS + path, json=json, params=params, may_be_repeated=retry_safe
        )

    def _skill_request(
        self,
        method: str,
        path: str,
        json: Any = None,
        params: Any = None,
        retry_safe: bool = False,  # noqa: FBT001, FBT002  as MLflow's
        **_files: Any,
    ) -> Any:
        # A hub takes no skills from scripts, and refuses before it looks at the files.
        return self._endpoints.ask(
            method, _SKILLS + path, json=json, params=params, may_be_repeated=retry_safe
        )


def _scoring(said: dict[str, Any]) -> "OnlineScoringConfig":
    from mlflow.genai.scorers.online.entities import OnlineScoringConfig

    return OnlineScoringConfig(**said)
