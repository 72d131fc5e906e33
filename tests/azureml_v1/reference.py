"""The public names of SDK v1 (azureml-core 1.61) and their signatures, and what we say of them.

The signatures are SDK v1's, without ``self``. A name without one is an attribute.
"""

NAMES = {
    "azureml.core": (
        *("Workspace", "Experiment", "Run", "get_run", "ScriptRun", "ScriptRunConfig"),
        *("RunConfiguration", "Environment", "Model", "Datastore", "Dataset", "ComputeTarget"),
        *("ContainerRegistry", "Image", "Webservice", "Keyvault", "PrivateEndPoint"),
        *("PrivateEndPointConfig", "LinkedService", "diagnostic_log", "VERSION", "__version__"),
    ),
    "azureml.core.run": ("Run", "_OfflineRun", "_SubmittedRun", "get_run"),
    "azureml.core.workspace": ("Workspace",),
    "azureml.core.experiment": ("Experiment", "ViewType"),
    "azureml.core.environment": ("Environment",),
    "azureml.core.conda_dependencies": ("CondaDependencies",),
    "azureml.core.script_run_config": ("ScriptRunConfig",),
    "azureml.core.script_run": ("ScriptRun",),
    "azureml.core.runconfig": (
        *("RunConfiguration", "DockerConfiguration", "MpiConfiguration", "PyTorchConfiguration"),
        *("TensorflowConfiguration", "DEFAULT_CPU_IMAGE", "DEFAULT_GPU_IMAGE"),
    ),
    "azureml.core.model": ("Model", "InferenceConfig"),
    "azureml.core.authentication": (
        *("InteractiveLoginAuthentication", "AzureCliAuthentication", "MsiAuthentication"),
        *("ServicePrincipalAuthentication", "AbstractAuthentication", "TokenAuthentication"),
    ),
    "azureml.exceptions": (
        *("AzureMLException", "UserErrorException", "AuthenticationException"),
        *("RunEnvironmentException", "ExperimentExecutionException", "ActivityFailedException"),
        *("ProjectSystemException", "SnapshotException", "RunConfigurationException"),
        *("WorkspaceException", "ComputeTargetException", "WebserviceException"),
        *("ModelNotFoundException", "ModelPathNotFoundException", "TrainingException"),
        *("AzureMLAggregatedException", "ServiceException"),
    ),
    "azureml.widgets": ("RunDetails",),
    "azureml.data.datapath": ("DataPath",),
    "azureml._restclient.constants": ("RunStatus",),
}
"""The names that are imported, by module."""

_FACTS_OF_MODEL = """
    tags=None, properties=None, description=None, datasets=None, model_framework=None,
    model_framework_version=None"""
_SAMPLES = "sample_input_dataset=None, sample_output_dataset=None, resource_configuration=None"

MEMBERS: dict[str, dict[str, str | None]] = {
    "Run": {
        "__init__": "experiment, run_id, outputs=None, **kwargs",
        "get_context": "allow_offline=True, used_for_context_manager=False, **kwargs",
        "get_submitted_run": "**kwargs",
        "get": "workspace, run_id",
        "list": (
            "experiment, type=None, tags=None, properties=None, status=None, include_children=False"
        ),
        "list_by_compute": None,
        "add_type_provider": "runtype, run_factory",
        "log": "name, value, description='', step=None",
        "log_list": "name, value, description=''",
        "log_row": "name, description=None, **kwargs",
        "log_table": "name, value, description=''",
        "log_image": "name, path=None, plot=None, description=''",
        "log_confusion_matrix": "name, value, description=''",
        "log_accuracy_table": "name, value, description=''",
        "log_residuals": "name, value, description=''",
        "log_predictions": "name, value, description=''",
        "get_metrics": "name=None, recursive=False, run_type=None, populate=False",
        "flush": "timeout_seconds=300",
        "tag": "key, value=None",
        "set_tags": "tags",
        "get_tags": "",
        "tags": None,
        "remove_tags": "tags",
        "add_properties": "properties",
        "get_properties": "",
        "properties": None,
        "display_name": None,
        "description": None,
        "name": None,
        "id": None,
        "type": None,
        "number": None,
        "experiment": None,
        "parent": None,
        "status": None,
        "upload_file": "name, path_or_stream, datastore_name=None",
        "upload_folder": "name, path, datastore_name=None",
        "upload_files": (
            "names, paths, return_artifacts=False, timeout_seconds=None, datastore_name=None"
        ),
        "get_file_names": "",
        "download_file": "name, output_file_path=None, _validate_checksum=False",
        "download_files": (
            "prefix=None, output_directory=None, output_paths=None, batch_size=100, "
            "append_prefix=True, timeout_seconds=None"
        ),
        "start": "",
        "complete": "_set_status=True",
        "fail": "error_details=None, error_code=None, _set_status=True",
        "cancel": "",
        "get_status": "",
        "get_detailed_status": "",
        "wait_for_completion": "show_output=False, wait_post_processing=False, raise_on_error=True",
        "get_details": "",
        "get_details_with_logs": "",
        "get_all_logs": "destination=None",
        "child_run": "name=None, run_id=None, outputs=None",
        "create_children": "count=None, tag_key=None, tag_values=None",
        "get_children": (
            "recursive=False, tags=None, properties=None, type=None, status=None, "
            "_rehydrate_runs=True"
        ),
        "submit_child": "config, tags=None, **kwargs",
        "take_snapshot": None,
        "get_snapshot_id": "",
        "restore_snapshot": "snapshot_id=None, path=None",
        "register_model": (
            "model_name, model_path=None, tags=None, properties=None, model_framework=None, "
            "model_framework_version=None, description=None, datasets=None, "
            f"{_SAMPLES}, **kwargs"
        ),
        "get_portal_url": "",
        "get_environment": "",
        "get_secret": "name",
        "get_secrets": None,
        "clean": "",
    },
    "_SubmittedRun": {"input_datasets": None, "output_datasets": None},
    "_OfflineRun": {
        "__init__": "parent_logger=None, run_id=None, **kwargs",
        "id": None,
        "log": "name, value, description=''",
        "log_list": "name, value, description=''",
        "log_table": "name, value, description=''",
        "log_row": "name, description=None, **kwargs",
        "log_image": "name, path=None, plot=None, description=''",
        "log_residuals": "name, value, description=None",
        "log_predictions": "name, value, description=None",
        "log_accuracy_table": "name, value, description=None",
        "log_confusion_matrix": "name, value, description=None",
        "tag": "name, value=None",
        "set_tags": "tags",
        "add_properties": "properties",
        "upload_file": "name, path_or_stream, datastore_name=None",
        "upload_files": (
            "name, paths, return_artifacts=False, timeout_seconds=None, datastore_name=None"
        ),
        "upload_folder": "name, path, datastore_name=None",
        "child_run": "name=None, run_id=None, outputs=None",
        "fail": "error_details=None, error_code=None",
        "flush": "",
        "complete": "",
        "cancel": "",
    },
    "Workspace": {
        "__init__": (
            "subscription_id, resource_group, workspace_name, auth=None, _location=None, "
            "_disable_service_check=False, _workspace_id=None, sku='basic', tags=None, "
            "_cloud='AzureCloud'"
        ),
        "from_config": "path=None, auth=None, _logger=None, _file_name=None",
        "get": (
            "name, auth=None, subscription_id=None, resource_group=None, location=None, "
            "cloud='AzureCloud', id=None"
        ),
        "create": (
            "name, auth=None, subscription_id=None, resource_group=None, location=None, "
            "create_resource_group=True, sku='basic', tags=None, friendly_name=None, "
            "storage_account=None, key_vault=None, app_insights=None, container_registry=None, "
            "adb_workspace=None, primary_user_assigned_identity=None, cmk_keyvault=None, "
            "resource_cmk_uri=None, hbi_workspace=False, default_cpu_compute_target=None, "
            "default_gpu_compute_target=None, private_endpoint_config=None, "
            "private_endpoint_auto_approval=True, exist_ok=False, show_output=True, "
            "user_assigned_identity_for_cmk_encryption=None, "
            "system_datastores_auth_mode='accessKey', v1_legacy_mode=None"
        ),
        "list": "subscription_id, auth=None, resource_group=None",
        "setup": "",
        "write_config": "path=None, file_name=None",
        "get_details": "",
        "get_mlflow_tracking_uri": "_with_auth=False",
        "get_run": "run_id",
        "delete": "delete_dependent_resources=False, no_wait=False",
        "name": None,
        "subscription_id": None,
        "resource_group": None,
        "location": None,
        "sku": None,
        "tags": None,
        "experiments": None,
        "models": None,
        "environments": None,
        "compute_targets": None,
        "datastores": None,
        "datasets": None,
        "images": None,
        "webservices": None,
        "linked_services": None,
        "private_endpoints": None,
        "discovery_url": None,
        "service_context": None,
        "get_default_datastore": "",
        "set_default_datastore": "name",
        "get_default_keyvault": "",
        "list_keys": "",
        "sync_keys": "",
    },
    "Experiment": {
        "__init__": (
            "workspace, name, _skip_name_validation=False, _id=None, _archived_time=None, "
            "_create_in_cloud=True, _experiment_dto=None, **kwargs"
        ),
        "start_logging": "*args, **kwargs",
        "submit": "config, tags=None, **kwargs",
        "get_runs": "type=None, tags=None, properties=None, include_children=False",
        "list": "workspace, experiment_name=None, view_type=ViewType.ActiveOnly, tags=None",
        "delete": "workspace, experiment_id",
        "archive": "",
        "reactivate": "new_name=None",
        "refresh": "",
        "tag": "key, value=None",
        "set_tags": "tags",
        "remove_tags": "tags",
        "get_portal_url": "",
        "id": None,
        "name": None,
        "tags": None,
        "archived_time": None,
        "workspace": None,
        "workspace_object": None,
    },
    "Model": {
        "__init__": (
            "workspace, name=None, id=None, tags=None, properties=None, version=None, run_id=None, "
            "model_framework=None, expand=True, **kwargs"
        ),
        "register": (
            f"workspace, model_path, model_name, {_FACTS_OF_MODEL}, child_paths=None, {_SAMPLES}"
        ),
        "list": (
            "workspace, name=None, tags=None, properties=None, run_id=None, latest=False, "
            "dataset_id=None, expand=True, page_count=255, model_framework=None"
        ),
        "get_model_path": "model_name, version=None, _workspace=None",
        "download": "target_dir='.', exist_ok=False, exists_ok=None",
        "update": None,
        "add_tags": None,
        "remove_tags": None,
        "add_properties": None,
        "delete": "",
        "serialize": "",
        "Framework": None,
        "name": None,
        "version": None,
        "id": None,
        "description": None,
        "tags": None,
        "properties": None,
        "model_framework": None,
        "model_framework_version": None,
        "url": None,
        "created_time": None,
        "created_by": None,
        "run_id": None,
        "experiment_name": None,
        "run": None,
        "datasets": None,
        "workspace": None,
        "parent_id": None,
        "derived_model_ids": None,
        "resource_configuration": None,
        "mime_type": None,
        "unpack": None,
    },
}
"""The members of the classes that are served; ``__init__`` is the constructor."""

BETTER = {
    "Run.log": "NumPy's integers and 0-d arrays are their number; no limit of names.",
    "Run.log_list": "An empty list logs nothing and says so.",
    "Run.log_row": "Rows may differ in their columns; no limit of columns and rows.",
    "Run.log_table": "Tuples and arrays are columns, too; no limit of columns and rows.",
    "Run.log_image": "SVG and PDF images work, and `log_image(name, plt)`.",
    "Run.get_metrics": "What was just logged is there; a row without a column has None in it.",
    "Run.flush": "What is not stored in time is kept, and stored later.",
    "Run.complete": "A file of `./outputs` that was uploaded before stays one file; "
    "`sys.exit(0)` inside of `with run:` completes the run.",
    "Run.get_children": '`tags="key"` filters by the key.',
    "Run.list": '`tags="key"` filters by the key.',
    "Run.tag": "Tags of any length.",
    "Run.upload_file": "Takes a `pathlib.Path`; an existing name is replaced.",
    "Run.upload_files": "Existing names are replaced.",
    "Run.upload_folder": "A path that ends in a slash keeps it; existing names are replaced.",
    "Run.status": "Read anew, never stale.",
    "_OfflineRun.log": "Takes `step`, so a script need not ask where it runs.",
    "Experiment.__init__": "The workspace may be given by its name.",
    "Experiment.start_logging": "Takes no snapshot of the working directory unless asked to.",
    "Workspace.write_config": "Names the hub, too, so that it is found whatever the default is.",
}
"""Where the same call does more than it did, or no longer fails, and how."""
