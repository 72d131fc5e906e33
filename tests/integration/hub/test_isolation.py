"""Two workspaces of one hub never see or touch each other's content, through any call.

Workspace team-a is filled with one of everything MLflow knows. Then every public method of
``MlflowClient`` is called for team-b at the ids and names of team-a.
"""

import io
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import SimpleNamespace

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import WorkspaceContext
from sqlalchemy import MetaData, create_engine, select

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.artifacts.repository import repository_at
from mlflow_workspace_plugin.errors import JobEndedError, RunNotFoundError
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.stores.build import build_tracking_store
from mlflow_workspace_plugin.stores.jobs.jobs import Jobs

pytestmark = pytest.mark.store

HAS_SKILLS = hasattr(MlflowClient, "create_skill")
MARK = "of-team-a"  # in everything that team-a holds


@dataclass
class Content:
    """What team-a holds, and how to look at all of it from below."""

    workspace: Workspace
    other: Workspace
    hub: object
    ids: SimpleNamespace = field(default_factory=SimpleNamespace)
    metadata: MetaData = field(default_factory=MetaData)

    def __post_init__(self):
        self.engine = create_engine(self.workspace._hub.database_uri)
        self.metadata.reflect(self.engine)

    def rows(self):
        """All rows of the database, by table."""
        with self.engine.connect() as connection:
            return {
                name: {repr(tuple(row)) for row in connection.execute(select(table))}
                for name, table in self.metadata.tables.items()
                # How far the journals of all workspaces were stored.
                if name != "workspace_plugin_writers"
            }

    def files(self):
        """All files of team-a, with their content."""
        root = self.hub / "artifacts" / "workspaces" / "team-a"
        return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def content(copied_hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("isolation")
    hub = copied_hub(folder / "hub")
    workspace = Workspace.create("team-a", hub=hub)
    filled = Content(workspace, Workspace.create("team-b", hub=hub), hub)
    with pytest.MonkeyPatch.context() as environment:
        # No webhook is ever sent; MLflow looks at the address when one is made.
        environment.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
        fill(filled, folder)
    yield filled
    filled.engine.dispose()


def fill(content, folder):
    """Put one of everything into team-a."""
    uri = content.workspace.get_mlflow_tracking_uri()
    mlflow.set_tracking_uri(uri)
    client, ids = content.workspace.client, content.ids
    ids.experiment_name = f"experiment-{MARK}"
    ids.experiment = client.create_experiment(ids.experiment_name, tags={"tag": MARK})
    ids.deleted_experiment = client.create_experiment(f"deleted-{MARK}")
    client.delete_experiment(ids.deleted_experiment)
    ids.run = client.create_run(ids.experiment, run_name=f"run-{MARK}").info.run_id
    client.log_batch(
        ids.run,
        [Metric(f"metric-{MARK}", 1.5, 1, 0)],
        [Param("param", MARK)],
        [RunTag("tag", MARK)],
    )
    client.log_text(ids.run, MARK, f"{MARK}.txt")
    client.log_table(ids.run, {"column": [MARK]}, "table.json")
    client.log_inputs(ids.run, [DatasetInput(Dataset(MARK, "digest", "local", "{}"))])
    ids.deleted_run = client.create_run(ids.experiment).info.run_id
    client.delete_run(ids.deleted_run)
    ids.child = client.create_run(ids.experiment, tags={"mlflow.parentRunId": ids.run}).info.run_id

    logged = client.create_logged_model(ids.experiment, f"logged-{MARK}", ids.run, {"tag": MARK})
    ids.logged_model = logged.model_id
    (folder / f"{MARK}.bin").write_text(MARK)
    client.log_model_artifact(ids.logged_model, str(folder / f"{MARK}.bin"))
    client.finalize_logged_model(ids.logged_model, "READY")
    client.log_metric(ids.run, "model-metric", 1, model_id=ids.logged_model)
    ids.artifact_uri = client.get_run(ids.run).info.artifact_uri

    ids.model = f"model-{MARK}"
    client.create_registered_model(ids.model, {"tag": MARK}, MARK)
    client.create_model_version(ids.model, ids.artifact_uri, ids.run, {"tag": MARK})
    client.set_registered_model_alias(ids.model, "alias", 1)

    ids.prompt = f"prompt-{MARK}"
    prompt = client.register_prompt(ids.prompt, f"{MARK} {{{{x}}}}", tags={"tag": MARK})
    client.set_prompt_alias(ids.prompt, "alias", 1)
    client.link_prompt_version_to_run(ids.run, prompt)

    ids.dataset = client.create_dataset(f"dataset-{MARK}", ids.experiment, {"tag": MARK}).dataset_id
    client.get_dataset(ids.dataset).merge_records([{"inputs": {"question": MARK}}])

    mlflow.set_experiment(ids.experiment_name)
    span = client.start_trace(f"trace-{MARK}", inputs={"x": MARK}, tags={"tag": MARK})
    client.end_trace(span.trace_id, outputs=MARK)
    mlflow.flush_trace_async_logging()
    ids.trace, ids.span = span.trace_id, span.span_id
    client.link_traces_to_run([ids.trace], ids.run)
    mlflow.log_feedback(trace_id=ids.trace, name="feedback", value=MARK)

    ids.webhook = client.create_webhook(
        f"webhook-{MARK}", "https://127.0.0.1:1/hook", ["registered_model.created"]
    ).webhook_id
    ids.server = f"io.github.{MARK}/server"
    client.create_mcp_server(ids.server, MARK)
    client.create_mcp_server_version({"name": ids.server, "version": "1.0.0", "description": MARK})
    client.set_mcp_server_alias(ids.server, "alias", "1.0.0")
    client.set_mcp_server_tag(ids.server, "tag", MARK)
    client.set_mcp_server_version_tag(ids.server, "1.0.0", "tag", MARK)
    ids.endpoint = client.create_mcp_access_endpoint(
        ids.server, "https://127.0.0.1:1/mcp", server_version="1.0.0"
    ).id

    store = content.workspace.tracking_store
    ids.job = store.create_job(
        ids.experiment, run_name=MARK, tags=[], definition={"script": MARK}, compute=MARK, engine=""
    ).info.run_id
    store.take_job(ids.job, f"owner-{MARK}", {"host": MARK})
    ids.compute, ids.environment = f"compute-{MARK}", f"environment-{MARK}"
    store.put_compute(Compute(ids.compute, "ray", MARK))
    store.put_environment(ids.environment, {"pip": [MARK]})

    if HAS_SKILLS:
        fill_with_skills(content, folder / f"{MARK}.bin")


def fill_with_skills(content, file):
    """Put a skill into team-a, and what MLflow's server stores of another one's content."""
    client, ids = content.workspace.client, content.ids
    ids.skill = f"skill-{MARK}"
    client.create_skill(name=ids.skill, description=MARK)
    client.create_skill_version(name=ids.skill, source=f"https://example.com/{MARK}.git")
    client.set_skill_alias(name=ids.skill, alias="alias", version=1)
    client.set_skill_tag(name=ids.skill, key="tag", value=MARK)
    client.set_skill_version_tag(name=ids.skill, version=1, key="tag", value=MARK)
    path = f"skills/{ids.skill}/{'a' * 32}"
    location = PurePosixPath("workspaces", "team-a", path)
    repository_at(content.workspace._hub, location).log_artifact(str(file))
    content.workspace.tracking_store.create_skill_version(
        ids.skill, source_type="mlflow", source=f"mlflow-artifacts:/{path}"
    )


def own_run(client):
    """A run of the caller's own workspace."""
    return client.create_run(client.create_experiment("own")).info.run_id


# What team-b calls: (client, ids of team-a, a file) -> result. Methods that only make something
# new of the caller's own are called as well, with team-a's ids wherever they take one.
CALLS = {
    # runs
    "get_run": lambda c, i, f: c.get_run(i.run),
    "get_parent_run": lambda c, i, f: c.get_parent_run(i.child),
    "get_metric_history": lambda c, i, f: c.get_metric_history(i.run, f"metric-{MARK}"),
    "create_run": lambda c, i, f: c.create_run(i.experiment),
    "update_run": lambda c, i, f: c.update_run(i.run, "FAILED", "taken"),
    "set_terminated": lambda c, i, f: c.set_terminated(i.run),
    "delete_run": lambda c, i, f: c.delete_run(i.run),
    "restore_run": lambda c, i, f: c.restore_run(i.deleted_run),
    "search_runs": lambda c, i, f: c.search_runs(
        [i.experiment, i.deleted_experiment, "0"], run_view_type=ViewType.ALL
    ),
    "log_metric": lambda c, i, f: c.log_metric(i.run, "taken", 1),
    "log_param": lambda c, i, f: c.log_param(i.run, "taken", 1),
    "log_batch": lambda c, i, f: c.log_batch(
        i.run, [Metric("taken", 1, 1, 1)], [Param("taken", "1")], [RunTag("taken", "1")]
    ),
    "set_tag": lambda c, i, f: c.set_tag(i.run, "taken", "1"),
    "delete_tag": lambda c, i, f: c.delete_tag(i.run, "tag"),
    "log_inputs": lambda c, i, f: (
        c.log_inputs(own_run(c), models=[LoggedModelInput(i.logged_model)]),
    ),
    "log_outputs": lambda c, i, f: (
        c.log_outputs(own_run(c), [LoggedModelOutput(i.logged_model, 0)]),
    ),
    # files
    "log_artifact": lambda c, i, f: c.log_artifact(i.run, str(f)),
    "log_artifacts": lambda c, i, f: c.log_artifacts(i.run, str(f.parent)),
    "log_text": lambda c, i, f: c.log_text(i.run, "taken", "taken.txt"),
    "log_dict": lambda c, i, f: c.log_dict(i.run, {}, "taken.json"),
    "log_stream": lambda c, i, f: c.log_stream(i.run, io.BytesIO(b"taken"), "taken.bin"),
    "log_figure": lambda c, i, f: c.log_figure(i.run, figure(), "taken.png"),
    "log_image": lambda c, i, f: c.log_image(i.run, image(), "taken.png"),
    "log_table": lambda c, i, f: c.log_table(i.run, {"column": ["taken"]}, "table.json"),
    "load_table": lambda c, i, f: c.load_table(i.experiment, "table.json", [i.run]),
    "list_artifacts": lambda c, i, f: c.list_artifacts(i.run),
    "download_artifacts": lambda c, i, f: c.download_artifacts(i.run, f"{MARK}.txt"),
    # experiments
    "search_experiments": lambda c, i, f: c.search_experiments(ViewType.ALL),
    "get_experiment": lambda c, i, f: c.get_experiment(i.experiment),
    "get_experiment_by_name": lambda c, i, f: c.get_experiment_by_name(i.experiment_name),
    "create_experiment": lambda c, i, f: c.create_experiment("fresh"),
    "delete_experiment": lambda c, i, f: c.delete_experiment(i.experiment),
    "restore_experiment": lambda c, i, f: c.restore_experiment(i.deleted_experiment),
    "rename_experiment": lambda c, i, f: c.rename_experiment(i.experiment, "taken"),
    "set_experiment_tag": lambda c, i, f: c.set_experiment_tag(i.experiment, "taken", "1"),
    "delete_experiment_tag": lambda c, i, f: c.delete_experiment_tag(i.experiment, "tag"),
    # logged models
    "create_logged_model": lambda c, i, f: c.create_logged_model(i.experiment),
    "log_model_params": lambda c, i, f: c.log_model_params(i.logged_model, {"taken": "1"}),
    "finalize_logged_model": lambda c, i, f: c.finalize_logged_model(i.logged_model, "FAILED"),
    "get_logged_model": lambda c, i, f: c.get_logged_model(i.logged_model),
    "delete_logged_model": lambda c, i, f: c.delete_logged_model(i.logged_model),
    "set_logged_model_tags": lambda c, i, f: c.set_logged_model_tags(i.logged_model, {"x": "1"}),
    "delete_logged_model_tag": lambda c, i, f: c.delete_logged_model_tag(i.logged_model, "tag"),
    "log_model_artifact": lambda c, i, f: c.log_model_artifact(i.logged_model, str(f)),
    "log_model_artifacts": lambda c, i, f: c.log_model_artifacts(i.logged_model, str(f.parent)),
    "list_logged_model_artifacts": lambda c, i, f: c.list_logged_model_artifacts(i.logged_model),
    "search_logged_models": lambda c, i, f: list(c.search_logged_models([i.experiment])),
    # registry
    "create_registered_model": lambda c, i, f: c.create_registered_model("fresh"),
    "rename_registered_model": lambda c, i, f: c.rename_registered_model(i.model, "taken"),
    "update_registered_model": lambda c, i, f: c.update_registered_model(i.model, "taken"),
    "delete_registered_model": lambda c, i, f: c.delete_registered_model(i.model),
    "search_registered_models": lambda c, i, f: list(c.search_registered_models()),
    "get_registered_model": lambda c, i, f: c.get_registered_model(i.model),
    "get_latest_versions": lambda c, i, f: c.get_latest_versions(i.model),
    "set_registered_model_tag": lambda c, i, f: c.set_registered_model_tag(i.model, "x", "1"),
    "delete_registered_model_tag": lambda c, i, f: c.delete_registered_model_tag(i.model, "tag"),
    "create_model_version": lambda c, i, f: c.create_model_version(
        i.model, f"models:/{i.logged_model}"
    ),
    "copy_model_version": lambda c, i, f: c.copy_model_version(f"models:/{i.model}/1", "fresh"),
    "update_model_version": lambda c, i, f: c.update_model_version(i.model, "1", "taken"),
    "transition_model_version_stage": lambda c, i, f: c.transition_model_version_stage(
        i.model, "1", "Production"
    ),
    "delete_model_version": lambda c, i, f: c.delete_model_version(i.model, "1"),
    "get_model_version": lambda c, i, f: c.get_model_version(i.model, "1"),
    "get_model_version_download_uri": lambda c, i, f: c.get_model_version_download_uri(
        i.model, "1"
    ),
    "search_model_versions": lambda c, i, f: list(c.search_model_versions()),
    "get_model_version_stages": lambda c, i, f: c.get_model_version_stages(i.model, "1"),
    "set_model_version_tag": lambda c, i, f: c.set_model_version_tag(i.model, "1", "x", "1"),
    "delete_model_version_tag": lambda c, i, f: c.delete_model_version_tag(i.model, "1", "tag"),
    "set_registered_model_alias": lambda c, i, f: c.set_registered_model_alias(i.model, "x", "1"),
    "delete_registered_model_alias": lambda c, i, f: c.delete_registered_model_alias(
        i.model, "alias"
    ),
    "get_model_version_by_alias": lambda c, i, f: c.get_model_version_by_alias(i.model, "alias"),
    # prompts
    "register_prompt": lambda c, i, f: c.register_prompt("fresh", "x"),
    "create_prompt": lambda c, i, f: c.create_prompt("fresh"),
    "create_prompt_version": lambda c, i, f: c.create_prompt_version(i.prompt, "taken"),
    "get_prompt": lambda c, i, f: c.get_prompt(i.prompt),
    "get_prompt_version": lambda c, i, f: c.get_prompt_version(i.prompt, "1"),
    "get_prompt_version_by_alias": lambda c, i, f: c.get_prompt_version_by_alias(i.prompt, "alias"),
    "load_prompt": lambda c, i, f: c.load_prompt(i.prompt, 1),
    "search_prompts": lambda c, i, f: list(c.search_prompts()),
    "search_prompt_versions": lambda c, i, f: c.search_prompt_versions(i.prompt),
    "delete_prompt": lambda c, i, f: c.delete_prompt(i.prompt),
    "delete_prompt_version": lambda c, i, f: c.delete_prompt_version(i.prompt, "1"),
    "set_prompt_tag": lambda c, i, f: c.set_prompt_tag(i.prompt, "taken", "1"),
    "delete_prompt_tag": lambda c, i, f: c.delete_prompt_tag(i.prompt, "tag"),
    "set_prompt_alias": lambda c, i, f: c.set_prompt_alias(i.prompt, "taken", 1),
    "delete_prompt_alias": lambda c, i, f: c.delete_prompt_alias(i.prompt, "alias"),
    "set_prompt_version_tag": lambda c, i, f: c.set_prompt_version_tag(i.prompt, 1, "x", "1"),
    "delete_prompt_version_tag": lambda c, i, f: c.delete_prompt_version_tag(i.prompt, 1, "tag"),
    "link_prompt_version_to_run": lambda c, i, f: c.link_prompt_version_to_run(
        i.run, c.register_prompt("fresh", "x")
    ),
    "link_prompt_version_to_model": lambda c, i, f: (
        c.register_prompt("fresh", "x"),
        c.link_prompt_version_to_model("fresh", "1", i.logged_model),
    ),
    "link_prompt_versions_to_trace": lambda c, i, f: c.link_prompt_versions_to_trace(
        [c.register_prompt("fresh", "x")], i.trace
    ),
    "detach_prompt_from_run": lambda c, i, f: c.detach_prompt_from_run(
        i.run, f"prompts:/{i.prompt}/1"
    ),
    "list_logged_prompts": lambda c, i, f: list(c.list_logged_prompts(i.run)),
    # traces
    "get_trace": lambda c, i, f: c.get_trace(i.trace),
    "search_traces": lambda c, i, f: list(c.search_traces(locations=[i.experiment])),
    "delete_traces": lambda c, i, f: c.delete_traces(i.experiment, trace_ids=[i.trace]),
    "set_trace_tag": lambda c, i, f: c.set_trace_tag(i.trace, "taken", "1"),
    "delete_trace_tag": lambda c, i, f: c.delete_trace_tag(i.trace, "tag"),
    "link_traces_to_run": lambda c, i, f: c.link_traces_to_run([i.trace], own_run(c)),
    "unlink_traces_from_run": lambda c, i, f: c.unlink_traces_from_run([i.trace], i.run),
    "start_trace": lambda c, i, f: traced(c, i.experiment),
    "end_trace": lambda c, i, f: c.end_trace(i.trace, outputs="taken"),
    "start_span": lambda c, i, f: c.start_span("taken", i.trace, i.span),
    "end_span": lambda c, i, f: c.end_span(i.trace, i.span),
    # evaluation datasets
    "create_dataset": lambda c, i, f: c.create_dataset("fresh", i.experiment),
    "get_dataset": lambda c, i, f: c.get_dataset(i.dataset),
    "delete_dataset": lambda c, i, f: c.delete_dataset(i.dataset),
    "search_datasets": lambda c, i, f: list(c.search_datasets([i.experiment])),
    "set_dataset_tags": lambda c, i, f: c.set_dataset_tags(i.dataset, {"taken": "1"}),
    "delete_dataset_tag": lambda c, i, f: c.delete_dataset_tag(i.dataset, "tag"),
    "add_dataset_to_experiments": lambda c, i, f: c.add_dataset_to_experiments(
        i.dataset, [c.create_experiment("own")]
    ),
    "remove_dataset_from_experiments": lambda c, i, f: c.remove_dataset_from_experiments(
        i.dataset, [i.experiment]
    ),
    # webhooks
    "create_webhook": lambda c, i, f: c.create_webhook(
        "fresh", "https://127.0.0.1:1/", ["registered_model.created"]
    ),
    "get_webhook": lambda c, i, f: c.get_webhook(i.webhook),
    "list_webhooks": lambda c, i, f: list(c.list_webhooks()),
    "update_webhook": lambda c, i, f: c.update_webhook(i.webhook, name="taken"),
    "delete_webhook": lambda c, i, f: c.delete_webhook(i.webhook),
    "test_webhook": lambda c, i, f: c.test_webhook(i.webhook),
    # MCP servers
    "create_mcp_server": lambda c, i, f: c.create_mcp_server("com.example/fresh"),
    "get_mcp_server": lambda c, i, f: c.get_mcp_server(i.server),
    "search_mcp_servers": lambda c, i, f: list(c.search_mcp_servers()),
    "update_mcp_server": lambda c, i, f: c.update_mcp_server(i.server, description="taken"),
    "delete_mcp_server": lambda c, i, f: c.delete_mcp_server(i.server),
    "create_mcp_server_version": lambda c, i, f: c.create_mcp_server_version(
        {"name": "com.example/fresh", "version": "1.0.0", "description": "x"}
    ),
    "get_mcp_server_version": lambda c, i, f: c.get_mcp_server_version(i.server, "1.0.0"),
    "get_mcp_server_version_by_alias": lambda c, i, f: c.get_mcp_server_version_by_alias(
        i.server, "alias"
    ),
    "get_latest_mcp_server_version": lambda c, i, f: c.get_latest_mcp_server_version(i.server),
    "search_mcp_server_versions": lambda c, i, f: list(c.search_mcp_server_versions(i.server)),
    "update_mcp_server_version": lambda c, i, f: c.update_mcp_server_version(
        i.server, "1.0.0", tools=[]
    ),
    "refresh_mcp_server_version_tools": lambda c, i, f: c.refresh_mcp_server_version_tools(
        i.server, "1.0.0"
    ),
    "delete_mcp_server_version": lambda c, i, f: c.delete_mcp_server_version(i.server, "1.0.0"),
    "create_mcp_access_endpoint": lambda c, i, f: c.create_mcp_access_endpoint(
        i.server, "https://127.0.0.1:1/", server_version="1.0.0"
    ),
    "get_mcp_access_endpoint": lambda c, i, f: c.get_mcp_access_endpoint(i.server, i.endpoint),
    "search_mcp_access_endpoints": lambda c, i, f: list(c.search_mcp_access_endpoints()),
    "update_mcp_access_endpoint": lambda c, i, f: c.update_mcp_access_endpoint(
        i.server, i.endpoint, url="https://127.0.0.1:2/"
    ),
    "delete_mcp_access_endpoint": lambda c, i, f: c.delete_mcp_access_endpoint(
        i.server, i.endpoint
    ),
    "set_mcp_server_tag": lambda c, i, f: c.set_mcp_server_tag(i.server, "taken", "1"),
    "delete_mcp_server_tag": lambda c, i, f: c.delete_mcp_server_tag(i.server, "tag"),
    "set_mcp_server_version_tag": lambda c, i, f: c.set_mcp_server_version_tag(
        i.server, "1.0.0", "taken", "1"
    ),
    "delete_mcp_server_version_tag": lambda c, i, f: c.delete_mcp_server_version_tag(
        i.server, "1.0.0", "tag"
    ),
    "set_mcp_server_alias": lambda c, i, f: c.set_mcp_server_alias(i.server, "taken", "1.0.0"),
    "delete_mcp_server_alias": lambda c, i, f: c.delete_mcp_server_alias(i.server, "alias"),
    # workspaces
    "list_workspaces": lambda c, i, f: [each.name for each in c.list_workspaces()],
    "get_workspace": lambda c, i, f: c.get_workspace("team-a"),
    "create_workspace": lambda c, i, f: c.create_workspace("team-c"),
    "update_workspace": lambda c, i, f: c.update_workspace("team-a", "taken"),
    "delete_workspace": lambda c, i, f: c.delete_workspace("team-a"),
}

# From MLflow 3.18 on.
SKILLS = {
    "create_skill": lambda c, i, f: c.create_skill(name="fresh"),
    "get_skill": lambda c, i, f: c.get_skill(name=i.skill),
    "search_skills": lambda c, i, f: list(c.search_skills()),
    "update_skill": lambda c, i, f: c.update_skill(name=i.skill, description="taken"),
    "delete_skill": lambda c, i, f: c.delete_skill(name=i.skill),
    "create_skill_version": lambda c, i, f: c.create_skill_version(
        name="fresh", source="https://example.com/fresh.git"
    ),
    "bulk_register_skills": lambda c, i, f: c.bulk_register_skills(
        skill_definitions=[
            {
                "name": "fresh",
                "source_type": "git",
                "source": "https://example.com/fresh.git",
                "digest": "0" * 64,
            }
        ]
    ),
    "get_skill_version": lambda c, i, f: c.get_skill_version(name=i.skill, version=1),
    "get_skill_version_by_alias": lambda c, i, f: c.get_skill_version_by_alias(
        name=i.skill, alias="alias"
    ),
    "get_latest_skill_version": lambda c, i, f: c.get_latest_skill_version(name=i.skill),
    "search_skill_versions": lambda c, i, f: list(c.search_skill_versions(name=i.skill)),
    "update_skill_version": lambda c, i, f: c.update_skill_version(
        name=i.skill, version=1, status="deprecated"
    ),
    "delete_skill_version": lambda c, i, f: c.delete_skill_version(name=i.skill, version=1),
    "set_skill_alias": lambda c, i, f: c.set_skill_alias(name=i.skill, alias="x", version=1),
    "delete_skill_alias": lambda c, i, f: c.delete_skill_alias(name=i.skill, alias="alias"),
    "set_skill_tag": lambda c, i, f: c.set_skill_tag(name=i.skill, key="taken", value="1"),
    "delete_skill_tag": lambda c, i, f: c.delete_skill_tag(name=i.skill, key="tag"),
    "set_skill_version_tag": lambda c, i, f: c.set_skill_version_tag(
        name=i.skill, version=1, key="taken", value="1"
    ),
    "delete_skill_version_tag": lambda c, i, f: c.delete_skill_version_tag(
        name=i.skill, version=1, key="tag"
    ),
}
if HAS_SKILLS:
    CALLS |= SKILLS

# What team-b calls about jobs: (store, ids of team-a, the job as team-a sees it) -> result; and
# what that is: as if team-a had nothing.
OF_JOBS = {
    "create_job": (lambda s, i, j: new_job(s, i.experiment), MlflowException),
    "job": (lambda s, i, j: s.job(i.job), None),
    "jobs": (lambda s, i, j: s.jobs(), []),
    "job_queued": (lambda s, i, j: s.job_queued(i.job, "taken"), None),
    "take_job": (lambda s, i, j: s.take_job(i.job, "taken", {}), JobEndedError),
    "beat": (lambda s, i, j: s.beat(i.job, j.owner).is_owner, False),
    "advance_job": (lambda s, i, j: s.advance_job(i.job, j.owner, "Running"), False),
    "end_job": (
        lambda s, i, j: s.end_job(i.job, j.owner, "Failed", exit_code=1, cause="taken"),
        False,
    ),
    "cancel_job": (lambda s, i, j: s.cancel_job(i.job, force=True), RunNotFoundError),
    "fail_lost_job": (lambda s, i, j: s.fail_lost_job(i.job, seen=j, cause="taken"), False),
    "name_job": (lambda s, i, j: s.name_job(i.job), True),
    "computes": (lambda s, i, j: s.computes(), []),
    "compute": (lambda s, i, j: s.compute(i.compute), None),
    "drop_compute": (lambda s, i, j: s.drop_compute(i.compute), False),
    "put_compute": (lambda s, i, j: s.put_compute(Compute(i.compute, "local")), None),
    "environments": (lambda s, i, j: s.environments(), []),
    "environment": (lambda s, i, j: s.environment(i.environment), None),
    "put_environment": (lambda s, i, j: s.put_environment(i.environment, {}), 1),
}

# These touch no store.
NO_STORE = {"parse_prompt_uri", "tracking_uri", "get_workspace_store_uri"}

# These answer without an error where team-a's ids are unknown to team-b: with nothing.
EMPTY = {
    "search_runs": [],
    "search_experiments": [],
    "get_experiment_by_name": None,
    "search_logged_models": [],
    "search_registered_models": [],
    "search_model_versions": [],
    "search_prompts": [],
    "list_logged_prompts": [],
    "get_prompt": None,
    "search_traces": [],
    "delete_traces": 0,
    "end_span": None,
    "delete_dataset": None,
    "delete_dataset_tag": None,
    "search_datasets": [],
    "list_webhooks": [],
    "search_mcp_servers": [],
    "search_mcp_server_versions": [],
    "search_mcp_access_endpoints": [],
    "search_skills": [],
    "search_skill_versions": [],
    "link_traces_to_run": None,
    "list_workspaces": ["team-b"],
    "get_model_version_stages": ["None", "Staging", "Production", "Archived"],
}

# These make something new, of team-b's own.
CREATING = {
    "create_experiment",
    "create_registered_model",
    "register_prompt",
    "create_prompt",
    "create_webhook",
    "create_mcp_server",
    "create_mcp_server_version",
    "create_skill",
    "create_skill_version",
    "bulk_register_skills",
}


def figure():
    import matplotlib.figure

    return matplotlib.figure.Figure()


def image():
    import numpy as np

    return np.zeros((2, 2, 3), dtype=np.uint8)


def traced(client, experiment_id):
    """Trace into an experiment; the export reports errors to the log only."""
    span = client.start_trace("taken", experiment_id=experiment_id)
    client.end_trace(span.trace_id)
    mlflow.flush_trace_async_logging()


def new_job(store, experiment):
    return store.create_job(
        experiment, run_name=None, tags=[], definition={}, compute="local", engine="local"
    )


@pytest.fixture
def attempt(content, tmp_path, monkeypatch):
    """Call one method for team-b in a copy-free way: its own workspace anew, team-a as it is."""
    if "team-b" in Workspace.list(None, hub=content.hub):
        content.other.delete(delete_dependent_resources=True)
    other = Workspace.create("team-b", hub=content.hub)
    mlflow.set_tracking_uri(other.get_mlflow_tracking_uri())
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    file = tmp_path / "folder" / "taken.txt"
    file.parent.mkdir()
    file.write_text("taken")

    def call(method):
        try:
            return CALLS[method](other.client, content.ids, file)
        except (MlflowException, NotImplementedError) as error:
            return error

    return call


def test_every_public_method_is_tried():
    """A method that a newer MLflow adds has to be classified here."""
    public = {name for name in dir(MlflowClient) if not name.startswith("_")}
    assert public - NO_STORE == set(CALLS)


@pytest.mark.parametrize("method", sorted(CALLS))
def test_call_from_another_workspace(content, attempt, method):
    """It fails, finds nothing or makes something new; team-a's rows and files stay as they were."""
    rows, files = content.rows(), content.files()

    result = attempt(method)

    assert content.files() == files
    after = content.rows()
    for table, before in rows.items():
        missing = {row for row in before - after[table] if "team-b" not in row}
        assert not missing, (table, missing)
        for row in after[table] - before:
            for name, value in vars(content.ids).items():
                owned = re.search(rf"(?<![\w-]){re.escape(str(value))}(?![\w-])", row)
                assert name in ("experiment", "deleted_experiment") or not owned, (table, row)
    if method in EMPTY:
        assert result == EMPTY[method]
    elif method in CREATING:
        assert not isinstance(result, Exception), result
    elif method != "start_trace":  # its export logs what went wrong, and raises nothing
        assert isinstance(result, Exception), result
    assert MARK not in repr(result) or isinstance(result, Exception)


def test_every_call_about_jobs_is_tried():
    """One that is added has to be classified here."""
    assert set(OF_JOBS) == {name for name in dir(Jobs) if not name.startswith("_")}


def test_calls_about_jobs_from_another_workspace(content, attempt):
    """They find nothing, and team-a's rows stay as they were."""
    store = Workspace.get("team-b", hub=content.hub).tracking_store
    job, rows = content.workspace.tracking_store.job(content.ids.job), content.rows()
    for name, (call, expected) in OF_JOBS.items():
        if isinstance(expected, type):
            with pytest.raises(expected):
                call(store, content.ids, job)
        else:
            assert call(store, content.ids, job) == expected, name
    # The new ones of its own are there.
    assert (len(store.computes()), len(store.environments())) == (1, 1)
    for table, after in content.rows().items():
        assert not rows[table] - after, table


def test_files_of_another_workspace_are_not_served_from_mlflows_cache(content, attempt):
    """MLflow caches repositories by run id for all clients of a process; ours are not taken."""
    content.workspace.client.log_text(content.ids.run, MARK, f"{MARK}.txt")
    assert content.workspace.client.list_logged_model_artifacts(content.ids.logged_model)
    content.workspace.client.log_image(
        content.ids.run, image(), key="image", step=0, synchronous=False
    )
    for method in ("log_artifact", "log_text", "list_logged_model_artifacts", "log_model_artifact"):
        assert isinstance(attempt(method), MlflowException), method


def test_prompt_of_another_workspace_is_not_served_from_mlflows_cache(workspace, run_python):
    """Whatever team-a loaded into MLflow's cache of prompts, team-b does not find it."""
    script = """if True:
        import mlflow, sys
        from mlflow_workspace_plugin import Workspace

        hub = sys.argv[1]
        team_a, team_b = Workspace.get("team-a", hub=hub), Workspace.create("team-b", hub=hub)
        mlflow.set_tracking_uri(team_a.get_mlflow_tracking_uri())
        mlflow.register_prompt("prompt", "of team-a")
        mlflow.set_prompt_alias("prompt", "alias", 1)
        uris = ["prompts:/prompt/1", "prompts:/prompt@alias"]
        print([mlflow.load_prompt(uri).template for uri in uris])
        mlflow.set_tracking_uri(team_b.get_mlflow_tracking_uri())
        print([mlflow.load_prompt(uri, allow_missing=True) for uri in uris])
    """
    done = run_python("-c", script, str(workspace._hub.path))
    assert done.stdout.splitlines() == ["['of team-a', 'of team-a']", "[None, None]"]


def test_metric_of_another_workspaces_model_is_refused(content, attempt):
    """A metric names a model; one of team-a's cannot be given values by team-b."""
    client = Workspace.get("team-b", hub=content.hub).client
    run_id = own_run(client)
    before = content.rows()["logged_model_metrics"]
    with pytest.raises(MlflowException, match="not found"):
        client.log_metric(run_id, "taken", 1, model_id=content.ids.logged_model)
    metric = Metric("taken", 1, 1, 1, model_id=content.ids.logged_model)
    with pytest.raises(MlflowException, match="not found"):
        client.log_batch(run_id, metrics=[metric])
    assert content.rows()["logged_model_metrics"] == before


def test_server_refuses_what_a_pinned_store_refuses(content, attempt, monkeypatch):
    """A whole hub's store, in a request of team-b, is as deaf to ids of team-a."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = build_tracking_store(f"workspace-hub://{content.hub}")
    ids, before = content.ids, content.rows()
    with WorkspaceContext("team-b"):
        run_id = store.create_run(store.create_experiment("own"), "me", 0, [], None).info.run_id
        for call in (
            lambda: store.log_metric(run_id, Metric("x", 1, 1, 1, model_id=ids.logged_model)),
            lambda: store.log_inputs(run_id, models=[LoggedModelInput(ids.logged_model)]),
            lambda: store.log_outputs(run_id, [LoggedModelOutput(ids.logged_model, 0)]),
            lambda: store.create_dataset("fresh", experiment_ids=[ids.experiment]),
            lambda: store._hard_delete_logged_model(ids.logged_model),
        ):
            with pytest.raises(MlflowException, match=r"not found|No Experiment"):
                call()
    after = content.rows()
    for table in ("logged_model_metrics", "logged_models", "inputs", "evaluation_datasets"):
        assert after[table] == before[table]


def test_parameters_of_another_workspaces_model_are_refused(content, attempt):
    """The store itself refuses, not only the client in front of it."""
    store = build_tracking_store(content.other.get_mlflow_tracking_uri())
    with pytest.raises(MlflowException, match="not found"):
        store.log_logged_model_params(content.ids.logged_model, [LoggedModelParameter("x", "1")])
    with pytest.raises(MlflowException, match="not found"):
        store._hard_delete_logged_model(content.ids.logged_model)


def test_stored_location_of_another_workspace_is_refused(content, attempt):
    """Knowing where team-a's files are does not open them."""
    uri = content.ids.artifact_uri
    with pytest.raises(MlflowException, match="not in workspace 'team-b'"):
        mlflow.artifacts.list_artifacts(uri)
    with pytest.raises(MlflowException, match="not in workspace 'team-b'"):
        mlflow.artifacts.download_artifacts(f"{uri}/{MARK}.txt")
    client = Workspace.get("team-b", hub=content.hub).client
    client.create_registered_model("thief")
    client.create_model_version("thief", uri)
    with pytest.raises(MlflowException, match="not in workspace 'team-b'"):
        mlflow.artifacts.download_artifacts("models:/thief/1")
