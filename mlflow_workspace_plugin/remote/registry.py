"""The models of one workspace of a served hub: MLflow's client of a registry, with our HTTP."""

from typing import Any

from mlflow.store.model_registry.rest_store import RestStore

from mlflow_workspace_plugin.remote.endpoints import Endpoints
from mlflow_workspace_plugin.remote.http import HubHttp
from mlflow_workspace_plugin.remote.journal import journal_of
from mlflow_workspace_plugin.stores.journalling.patience import Patient, after_the_journal
from mlflow_workspace_plugin.stores.retries.created_meanwhile import prompt_created_or_found


@prompt_created_or_found
class RemoteRegistryStore(RestStore):
    """The models of one workspace, whatever MLflow's active workspace is."""

    _is_bounded = False

    def __init__(self, http: HubHttp) -> None:
        self._http = http
        self._endpoints = Endpoints(http)
        # MLflow asks nothing by itself.
        super().__init__(None)

    @property
    def tracking_uri(self) -> str:
        """The URI that names the workspace (ours)."""
        return str(self._http.uri)

    @property
    def supports_workspaces(self) -> bool:
        """False: a server must not take this store for one that follows each request."""
        return False

    def _validate_workspace_support_if_specified(self) -> None:
        # Which workspace is meant stands in the URI.
        pass

    def _call_endpoint(
        self,
        api: Any,
        json_body: str | None,
        call_all_endpoints: bool = False,  # noqa: FBT001, FBT002  as MLflow has it
        extra_headers: dict[str, str] | None = None,
    ) -> Any:
        # The others are older names of the same.
        del call_all_endpoints
        endpoint, method = self._get_endpoint_from_method(api)
        response = self._get_response_from_method(api)
        return self._endpoints.call(api, endpoint, method, json_body, response, extra_headers)

    def _call_webhook_endpoint(
        self, api: Any, json_body: str | None = None, webhook_id: str | None = None
    ) -> Any:
        endpoint, method = self._get_webhook_endpoint_from_method(api)
        if webhook_id:
            endpoint = endpoint.format(webhook_id=webhook_id)
        response = self._get_response_from_method(api)
        return self._endpoints.call(api, endpoint, method, json_body, response)


class ServedRegistryStore(Patient, RemoteRegistryStore):
    """The models of one workspace; each call comes after what this process logged."""

    def __init__(self, http: HubHttp) -> None:
        super().__init__(http)
        self.journal = journal_of(http)


after_the_journal(ServedRegistryStore, RemoteRegistryStore)
# Once more: what the store beneath does may be done in a thread of its own.
prompt_created_or_found(ServedRegistryStore)
