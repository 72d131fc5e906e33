"""The runs of one workspace of a served hub: MLflow's client of a server, with our HTTP."""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from mlflow.entities import (
    Experiment,
    ExperimentTag,
    LoggedModelParameter,
    Run,
    RunTag,
    Span,
    TraceInfo,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.protos.service_pb2 import CreateExperiment
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT
from mlflow.tracing.utils import generate_assessment_id
from mlflow.tracing.utils.otlp import (
    MLFLOW_EXPERIMENT_ID_HEADER,
    OTLP_TRACES_PATH,
    resource_to_otel_proto,
)
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.proto_json_utils import message_to_json
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import ServedHubError
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.remote.calls import call, calls_over
from mlflow_workspace_plugin.remote.endpoints import Endpoints
from mlflow_workspace_plugin.remote.files.open import flush_files
from mlflow_workspace_plugin.remote.http import HubHttp
from mlflow_workspace_plugin.remote.journal import journal_of
from mlflow_workspace_plugin.remote.rest_methods import RestMethods
from mlflow_workspace_plugin.stores.data.data import Data
from mlflow_workspace_plugin.stores.default_experiment import experiment_zero_is_default
from mlflow_workspace_plugin.stores.jobs.creation import NewJob, NewJobs
from mlflow_workspace_plugin.stores.jobs.jobs import Jobs
from mlflow_workspace_plugin.stores.journalling.journalled import Journalled
from mlflow_workspace_plugin.stores.journalling.patience import (
    after_the_journal,
    beside_the_journal,
)
from mlflow_workspace_plugin.stores.process import run_lines
from mlflow_workspace_plugin.stores.reads.look_ups import LookUps
from mlflow_workspace_plugin.stores.retries.created_meanwhile import experiment_created_or_found
from mlflow_workspace_plugin.stores.tags.own_tags import CREATION_TAG
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.stores.views import Views
from mlflow_workspace_plugin.stores.workspace_runs import WorkspaceRuns
from mlflow_workspace_plugin.stores.writes.run_writes import NewRun

_PROTOBUF = "application/x-protobuf"
_DENIED = ErrorCode.Name(PERMISSION_DENIED)


@calls_over(Jobs)
class RemoteJobs(NewJobs):
    """The jobs of a workspace."""

    _http: HubHttp

    def _create_job(self, experiment_id: str | int, new: NewJob) -> Run:
        may_be_there, new.may_be_there = new.may_be_there, True
        is_named = new.row["is_named"]
        run: Run = call(
            self._http,
            "create_job",
            str(self._own_experiment(experiment_id)),
            run_name=new.run.name if is_named else None,
            # The hub gives it a name otherwise, which is none that was given.
            tags=[tag for tag in new.run.tags if is_named or tag.key != MLFLOW_RUN_NAME],
            definition=new.row["definition"],
            compute=new.row["compute"],
            engine=new.row["engine"],
            run_id=new.run.run_id,
            state=new.row["state"],
            submitter=new.row["runner"],
            may_be_there=may_be_there,
        )
        return run

    def _own_experiment(self, experiment_id: str | int) -> str | int:
        raise NotImplementedError


@calls_over(Data)
class RemoteData:
    """The datastores and the datasets of a workspace."""

    _http: HubHttp


@calls_over(Views)
class RemoteViews:
    """The saved views of a workspace."""

    _http: HubHttp


@calls_over(LookUps)
class RemoteLookUps:
    """What is looked up in a workspace."""

    _http: HubHttp


@experiment_created_or_found
@experiment_zero_is_default
@calls_over(WorkspaceTrackingStore)
class RemoteTrackingStore(
    WorkspaceRuns, RemoteJobs, RemoteData, RemoteViews, RemoteLookUps, RestMethods
):
    """One workspace of a served hub, whatever MLflow's active workspace is.

    Each call is one of MLflow's to its server, or one of ours; none is made twice.
    """

    # A request is, but a call may take several, and where nobody answers no packet says so.
    _is_bounded = False
    # What every database takes: that of the hub may be any.
    _is_sqlite = False

    def __init__(self, http: HubHttp) -> None:
        self._http = http
        self._workspace = http.uri.name
        self._endpoints = Endpoints(http)
        super().__init__()

    @property
    def tracking_uri(self) -> str:
        """The URI that names the workspace (ours)."""
        return str(self._http.uri)

    @property
    def place(self) -> tuple[Hub, str]:
        """None that this process can open.

        Raises:
            ServedHubError: always.
        """
        raise ServedHubError.of(self.tracking_uri)

    def _call_endpoint(
        self,
        api: Any,
        json_body: str | None = None,
        endpoint: str | None = None,
        retry_timeout_seconds: int | None = None,
        response_proto: Any = None,
    ) -> Any:
        # Patience is above this.
        del retry_timeout_seconds
        of_version = self._V3_METHOD_TO_INFO if api in self._V3_APIS else self._METHOD_TO_INFO
        usual, method = of_version[api]
        response = api.Response() if response_proto is None else response_proto
        try:
            return self._endpoints.call(api, endpoint or usual, method, json_body, response)
        except MlflowException as error:
            run_id = json.loads(json_body or "{}").get("run_id")
            if error.error_code == _DENIED and run_id is not None:
                # MLflow's server says so of runs that are not there, too.
                self._refuse_deleted(run_id)
            raise

    def ping(self) -> None:
        """Ask the hub for any answer about the workspace.

        Raises:
            Exception: it gives none.
        """
        call(self._http, "workspace_record")

    def log_spans(
        self, location: str, spans: list[Span], tracking_uri: str | None = None
    ) -> list[Span]:
        """Log spans of traces, as MLflow's client does, but by our HTTP.

        Which version the server has is not asked: each that serves a hub takes spans.

        Args:
            location: the id of an experiment.
            spans: of traces in it.
            tracking_uri: of whoever logs them; it is this workspace that takes them.

        Raises:
            HubError: the hub did not answer, or does not know who asks.
            MlflowException: it refuses them.
        """
        del tracking_uri
        if not spans:
            return []
        request = ExportTraceServiceRequest()
        of_process = request.resource_spans.add()
        of_process.resource.CopyFrom(resource_to_otel_proto(spans[0]._span.resource))
        of_process.scope_spans.add().spans.extend(span.to_otel_proto() for span in spans)
        self._endpoints.send(
            OTLP_TRACES_PATH,
            request.SerializeToString(),
            {"Content-Type": _PROTOBUF, MLFLOW_EXPERIMENT_ID_HEADER: location},
        )
        return spans

    def start_trace(self, trace_info: TraceInfo) -> TraceInfo:
        """Create a trace, whose assessments have ids: it may be sent again."""
        for each in trace_info.assessments:
            each.assessment_id = each.assessment_id or generate_assessment_id()
        return super().start_trace(trace_info)

    def log_logged_model_params(self, model_id: str, params: list[LoggedModelParameter]) -> None:
        """Log params of a model, but for those that it has: MLflow takes each once."""
        known = self.get_logged_model(model_id).params
        super().log_logged_model_params(
            model_id, [each for each in params if known.get(each.key) != str(each.value)]
        )

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: list[RunTag],
        run_name: str | None,
    ) -> Run:
        """Create a run, and say where to look at it."""
        new = NewRun.of(user_id, start_time, tags, run_name)
        run = self._create_run(self._own_experiment(experiment_id), new)
        self._say_started(run, new.tags)
        return run

    def _create_run(self, experiment_id: str | int, new: NewRun) -> Run:
        run: Run = call(
            self._http,
            "create_run_of",
            new.run_id,
            str(experiment_id),
            new.user_id,
            new.start_time,
            new.tags,
            new.name,
        )
        return run

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = SEARCH_MAX_RESULTS_DEFAULT,
        filter_string: str | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> Any:
        """Search experiments, by default as many at a time as beneath the server."""
        return super().search_experiments(
            view_type, max_results, filter_string, order_by, page_token
        )

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: list[ExperimentTag] | None = None,
    ) -> str:
        """Create an experiment and return its id."""
        return self._create_experiment(name, artifact_location, tags, uuid.uuid4().hex)

    def _create_experiment(
        self,
        name: str,
        location: str | None,
        tags: list[ExperimentTag] | None,
        creation: str,
    ) -> str:
        """Create an experiment, unless it was created by a call whose answer was lost.

        Args:
            name: of the experiment.
            location: of its files.
            tags: of it.
            creation: tells it from one that somebody else created, who may have the name first.
        """
        protos = [tag.to_proto() for tag in (*(tags or ()), ExperimentTag(CREATION_TAG, creation))]
        wanted = CreateExperiment(name=name, artifact_location=location, tags=protos)
        endpoint, method = self._METHOD_TO_INFO[CreateExperiment]
        try:
            response = self._endpoints.call(
                CreateExperiment,
                endpoint,
                method,
                message_to_json(wanted),
                CreateExperiment.Response(),
                may_be_repeated=True,
            )
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            created = self._created(name, creation)
            if created is None:
                raise
            return created
        return str(response.experiment_id)

    def _created(self, name: str, creation: str) -> str | None:
        """Return the id of the experiment of a name; None of one that another call created."""
        try:
            found = self.get_experiment_by_name(name)
        except MlflowException as error:
            # It is of somebody who shows it to few.
            if error.error_code == _DENIED:
                return None
            raise
        if found is None or found.tags.get(CREATION_TAG) != creation:
            return None
        return str(found.experiment_id)

    def _own_experiment(self, experiment_id: str | int) -> str | int:
        if str(experiment_id) != "0" or self._workspace == DEFAULT_WORKSPACE:
            return experiment_id
        default = self.get_experiment_by_name(Experiment.DEFAULT_EXPERIMENT_NAME)
        if default is not None:
            return str(default.experiment_id)
        created: str | int = call(self._http, "_own_experiment", experiment_id)
        return created

    def _say_started(self, run: Run, tags: Iterable[RunTag]) -> None:
        run_lines.started(run, tags, self._where_to_look)

    def _where_to_look(self, page: str, command: str) -> str:
        del command
        return f"{self._http.address}/{uris.ui_location(page, self._workspace)}"

    def _flush_files(self, timeout_s: float) -> bool:
        return flush_files(self._http.uri, timeout_s)


class ServedTrackingStore(Journalled, RemoteTrackingStore):
    """One workspace of a served hub, for scripts: a logging call does not wait for the network."""

    def __init__(self, http: HubHttp) -> None:
        super().__init__(http)
        self.journal = journal_of(http)

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: list[ExperimentTag] | None = None,
    ) -> str:
        """Create an experiment and return its id; a lost answer is none that there is one."""
        # One for all requests of the call.
        creation = uuid.uuid4().hex
        created: str = self._through(
            self._create_experiment, name, artifact_location, tags, creation
        )
        return created


beside_the_journal(ServedTrackingStore, RemoteJobs)
beside_the_journal(ServedTrackingStore, RemoteData)
beside_the_journal(ServedTrackingStore, RemoteViews)
after_the_journal(ServedTrackingStore, RemoteTrackingStore)
# Once more: what the store beneath does may be done in a thread of its own.
experiment_created_or_found(ServedTrackingStore)
