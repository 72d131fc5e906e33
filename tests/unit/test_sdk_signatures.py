"""SDK v1's signatures: names, order and defaults."""

import inspect

import pytest

from mlflow_workspace_plugin.sdk.experiment import Experiment
from mlflow_workspace_plugin.sdk.runs.offline_run import _OfflineRun
from mlflow_workspace_plugin.sdk.runs.run import Run, get_run

SDK_V1 = {
    Run: "(experiment, run_id, outputs=None, **kwargs)",
    get_run: "(experiment, run_id, rehydrate=True, clean_up=True)",
    Run.get: "(workspace, run_id)",
    Run.list: (
        "(experiment, type=None, tags=None, properties=None, status=None, include_children=False)"
    ),
    Run.get_context: "(allow_offline=True, used_for_context_manager=False, **kwargs)",
    Run.get_submitted_run: "(**kwargs)",
    Run.tag: "(self, key, value=None)",
    Run.set_tags: "(self, tags)",
    Run.get_tags: "(self)",
    Run.remove_tags: "(self, tags)",
    Run.add_properties: "(self, properties)",
    Run.get_properties: "(self)",
    Run.complete: "(self, _set_status=True)",
    Run.fail: "(self, error_details=None, error_code=None, _set_status=True)",
    Run.cancel: "(self)",
    Run.child_run: "(self, name=None, run_id=None, outputs=None)",
    Run.create_children: "(self, count=None, tag_key=None, tag_values=None)",
    Run.get_children: (
        "(self, recursive=False, tags=None, properties=None, type=None, status=None, "
        "_rehydrate_runs=True)"
    ),
    Run.get_all_logs: "(self, destination=None)",
    Run.wait_for_completion: (
        "(self, show_output=False, wait_post_processing=False, raise_on_error=True)"
    ),
    Experiment: (
        "(workspace, name, _skip_name_validation=False, _id=None, _archived_time=None, "
        "_create_in_cloud=True, _experiment_dto=None, **kwargs)"
    ),
    Experiment.start_logging: "(self, *args, **kwargs)",
    Experiment.get_runs: ("(self, type=None, tags=None, properties=None, include_children=False)"),
    Experiment.list: (
        "(workspace, experiment_name=None, view_type=<ViewType.ActiveOnly: 'ActiveOnly'>, "
        "tags=None)"
    ),
    Experiment.delete: "(workspace, experiment_id)",
    Experiment.reactivate: "(self, new_name=None)",
    Experiment.tag: "(self, key, value=None)",
    Experiment.set_tags: "(self, tags)",
    Experiment.remove_tags: "(self, tags)",
    _OfflineRun: "(parent_logger=None, run_id=None, **kwargs)",
    # With a step, which SDK v1's lacks.
    _OfflineRun.log: "(self, name, value, description='', step=None)",
    _OfflineRun.log_list: "(self, name, value, description='')",
    _OfflineRun.log_table: "(self, name, value, description='')",
    _OfflineRun.log_row: "(self, name, description=None, **kwargs)",
    _OfflineRun.log_image: "(self, name, path=None, plot=None, description='')",
    _OfflineRun.log_residuals: "(self, name, value, description=None)",
    _OfflineRun.tag: "(self, name, value=None)",
    _OfflineRun.upload_file: "(self, name, path_or_stream, datastore_name=None)",
    _OfflineRun.upload_files: (
        "(self, name, paths, return_artifacts=False, timeout_seconds=None, datastore_name=None)"
    ),
    _OfflineRun.upload_folder: "(self, name, path, datastore_name=None)",
    _OfflineRun.child_run: "(self, name=None, run_id=None, outputs=None)",
    _OfflineRun.fail: "(self, error_details=None, error_code=None)",
    _OfflineRun.flush: "(self)",
}


@pytest.mark.parametrize(("served", "expected"), SDK_V1.items())
def test_signature_is_sdk_v1s(served, expected):
    """So that scripts may call by position and by keyword."""
    signature = inspect.signature(served)
    bare = [
        each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()
    ]
    assert str(inspect.Signature(bare)) == expected
