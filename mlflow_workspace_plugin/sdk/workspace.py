"""SDK v1's ``Workspace``."""

import builtins
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import ViewType

from mlflow_workspace_plugin import names, settings, uris
from mlflow_workspace_plugin.artifacts.repository import create_workspace
from mlflow_workspace_plugin.errors import (
    ConfigFileError,
    UserErrorException,
    WorkspaceExistsError,
    WorkspaceNotFoundError,
)
from mlflow_workspace_plugin.hub.hub import Hub, create_hub, open_hub
from mlflow_workspace_plugin.runs.search import all_experiments, find_run
from mlflow_workspace_plugin.sdk import authentication, config_file
from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.data.datastores.base import AbstractDatastore, set_default
from mlflow_workspace_plugin.sdk.data.datastores.datastore import Datastore, all_datastores
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.experiment import Experiment
from mlflow_workspace_plugin.sdk.html_table import html_table
from mlflow_workspace_plugin.sdk.models.model import Model
from mlflow_workspace_plugin.sdk.not_served import NotServedOfWorkspace
from mlflow_workspace_plugin.sdk.places import BehindServer, InFolder, Place, address_of, place_of
from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.sdk.runs.script_run import run_of

if TYPE_CHECKING:
    from mlflow_workspace_plugin.remote.workspaces import ServedWorkspaces
    from mlflow_workspace_plugin.sdk.data.datasets.registration import RegisteredDatasets
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


class Workspace(NotServedOfWorkspace):
    """A workspace of a hub, under SDK v1's name and with its signatures.

    Arguments of SDK v1 that say something about Azure only are accepted and mean nothing here.
    ``hub=`` is ours: the hub's folder, its ``workspace-hub:`` URI, or the address of its server, as
    ``https://hub.example.org``; the default hub when None.

    Args:
        subscription_id: kept, and reported as given.
        resource_group: kept, and reported as given.
        workspace_name: the name of an existing workspace.
        auth: accepted and ignored.
        hub: where to look.

    Raises:
        WorkspaceNotFoundError: the hub holds no workspace of that name.
        HubError: the hub cannot be opened.
    """

    def __init__(
        self,
        subscription_id: str | None,
        resource_group: str | None,
        workspace_name: str,
        auth: object = None,
        _location: str | None = None,
        _disable_service_check: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        _workspace_id: str | None = None,
        sku: str = "basic",
        tags: dict[str, str] | None = None,
        _cloud: str = "AzureCloud",
        *,
        hub: "str | os.PathLike[str] | None" = None,
    ) -> None:
        authentication.ignore(auth)
        self._place = place_of(workspace_name, hub)
        self._record = self._place.record
        self._subscription_id = subscription_id or self._record.subscription_id
        self._resource_group = resource_group or self._record.resource_group
        self._location = _location or self._record.location
        self._sku = sku
        self._tags = dict(self._record.tags if tags is None else tags)

    @classmethod
    def create(  # noqa: D417  what means nothing here is described in one sentence
        cls,
        name: str,
        auth: object = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        create_resource_group: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        sku: str = "basic",
        tags: dict[str, str] | None = None,
        friendly_name: str | None = None,
        storage_account: object = None,
        key_vault: object = None,
        app_insights: object = None,
        container_registry: object = None,
        adb_workspace: object = None,
        primary_user_assigned_identity: object = None,
        cmk_keyvault: object = None,
        resource_cmk_uri: object = None,
        hbi_workspace: bool = False,  # noqa: FBT001, FBT002
        default_cpu_compute_target: object = None,
        default_gpu_compute_target: object = None,
        private_endpoint_config: object = None,
        private_endpoint_auto_approval: bool = True,  # noqa: FBT001, FBT002
        exist_ok: bool = False,  # noqa: FBT001, FBT002
        show_output: bool = True,  # noqa: FBT001, FBT002
        user_assigned_identity_for_cmk_encryption: object = None,
        system_datastores_auth_mode: str = "accessKey",
        v1_legacy_mode: bool | None = None,  # noqa: FBT001
        *,
        hub: "str | os.PathLike[str] | None" = None,
    ) -> "Workspace":
        """Create a workspace, and its hub if that is its first (SDK v1).

        Args:
            name: MLflow's rules, or Azure ML's, whose capitals and underscores are folded:
                ``Contoso_ML`` is shown under that name and kept as ``contoso-ml``.
            auth: accepted and ignored.
            subscription_id: kept with the workspace.
            resource_group: kept with the workspace.
            location: kept with the workspace.
            exist_ok: return the workspace if there is one of that name.
            show_output: print what is to be said about how the hub was made.
            hub: where to create it.

        The other arguments speak of Azure resources, and mean nothing here.

        Raises:
            WorkspaceExistsError: there is one of that name, and ``exist_ok`` is False.
            InvalidWorkspaceNameError: the name breaks a rule, or folds to a name that is taken.
            HubError: the hub cannot be made or opened.
        """
        names.fold(name)  # before a hub is made for a name that is refused
        address = address_of(hub)
        if address is not None:
            place = _created_behind(
                address,
                name,
                exist_ok=exist_ok,
                subscription_id=subscription_id,
                resource_group=resource_group,
                location=location,
                tags=tags,
            )
            return cls._of(place, subscription_id, resource_group, location, sku, tags)
        opened, notice = create_hub(_hub_folder(hub))
        if notice and show_output:
            print(notice)  # noqa: T201  what show_output asks for
        try:
            record = create_workspace(
                opened,
                name,
                subscription_id=subscription_id,
                resource_group=resource_group,
                location=location,
                tags=tags,
            )
        except WorkspaceExistsError:
            if not exist_ok:
                raise
            record = opened.catalog.get(name)
        return cls(
            subscription_id,
            resource_group,
            record.name,
            auth,
            location,
            sku=sku,
            tags=tags,
            hub=hub,
        )

    @classmethod
    def get(
        cls,
        name: str,
        auth: object = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        cloud: str = "AzureCloud",
        id: str | None = None,  # noqa: A002  SDK v1's name
        *,
        hub: "str | os.PathLike[str] | None" = None,
    ) -> "Workspace":
        """Open an existing workspace by name (SDK v1); arguments as for the constructor."""
        return cls(subscription_id, resource_group, name, auth, location, hub=hub)

    @classmethod
    def list(
        cls,
        subscription_id: str | None,
        auth: object = None,
        resource_group: str | None = None,
        *,
        hub: "str | os.PathLike[str] | None" = None,
    ) -> "dict[str, builtins.list[Workspace]]":
        """Return the workspaces of a hub, each in a list of its own under its name (SDK v1).

        Args:
            subscription_id: only workspaces created with this one; None means all.
            auth: accepted and ignored.
            resource_group: only workspaces created with this one; None means all.
            hub: the hub to list. Of a served hub it is those that you have a role in.
        """
        authentication.ignore(auth)
        return {
            each.record.display_name: [cls._of(each)]
            for each in _places_in(hub)
            if subscription_id in (None, each.record.subscription_id)
            and resource_group in (None, each.record.resource_group)
        }

    @classmethod
    def from_config(
        cls,
        path: "str | os.PathLike[str] | None" = None,
        auth: object = None,
        _logger: object = None,
        _file_name: str | None = None,
    ) -> "Workspace":
        """Open the workspace that a config file names, found as SDK v1 finds it.

        Where there is none it is the workspace that MLflow logs to (ours): that of its tracking
        URI, as ``MLFLOW_TRACKING_URI`` or ``mlflow-workspace run`` sets it.

        Args:
            path: the file, or the folder to search from, upwards; None is the working directory.
            auth: accepted and ignored.

        Raises:
            ConfigFileError: no file was found, and MLflow logs elsewhere, or a key is missing in
                the file.
            json.JSONDecodeError: the file is not JSON.
            WorkspaceNotFoundError: the hub holds no workspace of that name.
        """
        try:
            found = config_file.find(path, _file_name)
        except ConfigFileError:
            tracking_uri = mlflow.get_tracking_uri()
            # A file or folder that is named is meant.
            if path is not None or urlsplit(tracking_uri).scheme != uris.WORKSPACE_SCHEME:
                raise
            return cls._at(tracking_uri, "the tracking URI")
        config = config_file.read(found)
        given = config.subscription_id, config.resource_group
        try:
            if config.tracking_uri:
                return cls._at(config.tracking_uri, "tracking_uri in the config file", given)
            return cls(*given, config.workspace_name, auth)
        except WorkspaceNotFoundError as error:
            raise WorkspaceNotFoundError(f"Config file {str(found)!r}: {error.message}") from error

    def write_config(
        self, path: "str | os.PathLike[str] | None" = None, file_name: str | None = None
    ) -> None:
        """Write a config file that :meth:`from_config` finds (SDK v1's place and form).

        Args:
            path: the folder below which ``.azureml/config.json`` is written.
            file_name: another name for the file.

        Raises:
            ConfigFileError: it cannot be written.
        """
        config = config_file.WorkspaceConfig(
            self.subscription_id, self.resource_group, self.name, self.get_mlflow_tracking_uri()
        )
        config_file.write(config, path, file_name)

    @property
    def name(self) -> str:
        """The name as it was given when the workspace was created."""
        return self._record.display_name

    @property
    def subscription_id(self) -> str:
        """As in the config file or call that opened it; zeros where nothing was said."""
        return self._subscription_id

    @property
    def resource_group(self) -> str:
        """As in the config file or call that opened it; ``local`` where nothing was said."""
        return self._resource_group

    @property
    def _hub(self) -> Hub:
        return self._place.hub

    @property
    def _hub_place(self) -> Path | str:
        """The folder of the hub, or the address of its server."""
        return self._place.hub_place

    # Private in SDK v1, and read by scripts all the same.
    @property
    def _workspace_name(self) -> str:
        return self.name

    @property
    def _workspace_id(self) -> str:
        return self._record.name

    _workspace_id_internal = _workspace_id

    @property
    def _auth_object(self) -> authentication.AbstractAuthentication:
        return authentication.InteractiveLoginAuthentication()

    _auth = _auth_object

    @property
    def location(self) -> str:
        """As in the call that created it; ``local`` where nothing was said."""
        return self._location

    @property
    def sku(self) -> str:
        """As in the call that opened it; ``basic`` where nothing was said."""
        return self._sku

    @property
    def tags(self) -> dict[str, str]:
        """The tags that it was created with, or those of the call that opened it (SDK v1)."""
        return dict(self._tags)

    @property
    def experiments(self) -> dict[str, Experiment]:
        """The active experiments, by name. Each access reads them anew (SDK v1)."""
        return {each.name: each for each in Experiment.list(self)}

    def search_experiments(self, view: int = ViewType.ACTIVE_ONLY) -> Iterator[MlflowExperiment]:
        """Yield the experiments as MLflow returns them, however many (ours).

        Args:
            view: those in which lifecycle stage, by a constant of MLflow's ``ViewType``.
        """
        return all_experiments(self.client, view)

    @property
    def models(self) -> dict[str, Model]:
        """The latest version of each model, by name. Each access reads them anew (SDK v1)."""
        return {each.name: each for each in Model.list(self, latest=True)}

    @property
    def compute_targets(self) -> dict[str, ComputeTarget]:
        """The workspace's compute targets by name (SDK v1)."""
        return {each.name: each for each in ComputeTarget.list(self)}

    @property
    def environments(self) -> dict[str, Environment]:
        """The newest version of each registered environment, by name (SDK v1)."""
        return Environment.list(self)

    @property
    def datasets(self) -> "RegisteredDatasets":
        """The newest version of each registered dataset, by name (SDK v1)."""
        from mlflow_workspace_plugin.sdk.data.datasets.registration import RegisteredDatasets

        return RegisteredDatasets(self)

    @property
    def datastores(self) -> dict[str, AbstractDatastore]:
        """The workspace's datastores by name (SDK v1)."""
        return all_datastores(self)

    def get_default_datastore(self) -> Any:
        """Return the default datastore (SDK v1): the hub's own storage, unless it was changed."""
        return Datastore.get_default(self)

    def set_default_datastore(self, name: str) -> None:
        """Make a datastore the default one (SDK v1).

        Args:
            name: of the datastore.

        Raises:
            UserErrorException: the workspace has none of that name.
        """
        set_default(self, name)

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client for this workspace (ours)."""
        # Only now: it opens the stores, which takes a while for each of many workspaces.
        uri = self.get_mlflow_tracking_uri()
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    @property
    def tracking_store(self) -> "WorkspaceTrackingStore":
        """The store behind :attr:`client`, for what MLflow's client has no call for (ours)."""
        store: WorkspaceTrackingStore = self.client._tracking_client.store
        return store

    def get_details(self) -> dict[str, Any]:
        """Return what is known of the workspace, under SDK v1's keys; unknown ones are absent."""
        details = {
            "id": (
                f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
                f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
            ),
            "name": self.name,
            "location": self.location,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "tags": self.tags,
            "sku": self.sku,
            "workspaceid": self._record.name,
            "friendlyName": self.name,
            "storageAccount": self._place.storage,
            "mlflowTrackingUri": self.get_mlflow_tracking_uri(),
        }
        if self._record.created_at is not None:
            created = datetime.fromtimestamp(self._record.created_at / 1000, timezone.utc)
            details["creationTime"] = created.isoformat().replace("+00:00", "Z")
        return details

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> str:  # noqa: FBT001, FBT002
        """Return the URI for ``mlflow.set_tracking_uri`` or ``MLFLOW_TRACKING_URI``."""
        return self._place.uri

    def get_run(self, run_id: str) -> Run:
        """Return a run of this workspace.

        Args:
            run_id: MLflow's id of it, or the one that its starter gave it.

        Raises:
            RunNotFoundError: there is no such run in this workspace.
        """
        found = find_run(self.client, self.name, run_id)
        experiment = self.client.get_experiment(found.info.experiment_id)
        return run_of(Experiment.from_mlflow(self, experiment), found)

    def delete(
        self,
        delete_dependent_resources: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        no_wait: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Delete the workspace.

        Args:
            delete_dependent_resources: delete everything in it too: experiments, runs, models,
                files. Otherwise only an empty workspace is deleted.
            no_wait: accepted and ignored.

        Raises:
            WorkspaceNotEmptyError: it holds something.
            WorkspaceException: it is the hub's ``default`` workspace.
        """
        self._place.delete(with_content=delete_dependent_resources)

    def portal_url(self, page: str) -> str:
        """Return the address of a page, as ``mlflow-workspace ui`` serves it.

        Args:
            page: such as ``experiments/1/runs/RUN``; nothing is the front of the workspace.
        """
        return self._place.page(page)

    def where_to_look(self, page: str = "", command: str = "ui -w {workspace}") -> str:
        """Return the address of a page of the UI, or the command that shows it if none is served.

        Args:
            page: as for :meth:`portal_url`.
            command: of ``mlflow-workspace``.
        """
        shown = command.format(workspace=self._record.name)
        return self._place.where_to_look(page, shown)

    def typed(self, command: str) -> str:
        """Return a command of ``mlflow-workspace`` as it is to be typed for this hub (ours).

        Args:
            command: its name and arguments.
        """
        return self._place.typed(command)

    def __deepcopy__(self, memo: object) -> "Workspace":
        """Return itself: what is copied with it, such as a configuration, means the same one."""
        return self

    def __repr__(self) -> str:
        return (
            f"Workspace.create(name={self.name!r}, subscription_id={self.subscription_id!r}, "
            f"resource_group={self.resource_group!r})"
        )

    def _repr_html_(self) -> str:
        return html_table(
            {"Name": self.name, "MLflow tracking URI": self.get_mlflow_tracking_uri()},
            {"Experiments": self.portal_url("")},
        )

    @classmethod
    def _at(
        cls, uri: str, told_by: str, given: "tuple[str | None, str | None]" = (None, None)
    ) -> "Workspace":
        parsed = uris.parse(uri)
        if isinstance(parsed, uris.ServedWorkspaceUri):
            return cls(*given, parsed.name, hub=parsed.address)
        if isinstance(parsed, uris.HubUri):
            raise UserErrorException(
                f"{str(parsed)!r} names a hub, not a workspace. Correct {told_by}."
            )
        return cls(*given, parsed.name, hub=parsed.hub)

    @classmethod
    def _of(
        cls,
        place: Place,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        sku: str = "basic",
        tags: dict[str, str] | None = None,
    ) -> "Workspace":
        """Return the workspace at a place, whose record need not be looked up for that."""
        found, record = cls.__new__(cls), place.record
        found._place = place
        found._record = record
        found._subscription_id = subscription_id or record.subscription_id
        found._resource_group = resource_group or record.resource_group
        found._location = location or record.location
        found._sku = sku
        found._tags = dict(record.tags if tags is None else tags)
        return found


def _places_in(hub: "str | os.PathLike[str] | None") -> Iterator[Place]:
    """Yield the workspaces of a hub."""
    address = address_of(hub)
    if address is None:
        opened = open_hub(_hub_folder(hub))
        yield from (InFolder(opened, each) for each in opened.catalog.list())
        return
    for each in _served(address).list():
        yield BehindServer(uris.served_uri(address, each.name), each)


def _created_behind(address: str, name: str, *, exist_ok: bool, **facts: Any) -> Place:
    """Create a workspace of a served hub; where it may exist, find it first."""
    hub, record = _served(address), None
    if exist_ok:
        with suppress(WorkspaceNotFoundError):
            record = hub.get(name)
    if record is None:
        record = hub.create(name, **facts)
    return BehindServer(uris.served_uri(address, record.name), record)


def _served(address: str) -> "ServedWorkspaces":
    # Only now: most hubs are folders.
    from mlflow_workspace_plugin.remote.workspaces import ServedWorkspaces

    return ServedWorkspaces(address)


def _hub_folder(hub: "str | os.PathLike[str] | None") -> Path:
    return uris.hub_folder(settings.HUB.get() if hub is None else hub)
