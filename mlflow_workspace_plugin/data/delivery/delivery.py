"""Brings the data of a job to its script, and what that made to the datastores."""

import platform
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.data import datasets, lineage
from mlflow_workspace_plugin.data.definition import DatasetDefinition, InDatastore
from mlflow_workspace_plugin.data.delivery import placeholders, variables
from mlflow_workspace_plugin.data.delivery.inputs import DataInput
from mlflow_workspace_plugin.data.delivery.outputs import DataOutput
from mlflow_workspace_plugin.data.files.found import FoundFile
from mlflow_workspace_plugin.data.files.patterns import Pattern, normalized
from mlflow_workspace_plugin.data.lineage import Used
from mlflow_workspace_plugin.data.storages.find import storage_of
from mlflow_workspace_plugin.data.uses import OUTPUT
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.private_folder import make_private
from mlflow_workspace_plugin.runs.files.local import files_below
from mlflow_workspace_plugin.stores.data.datasets import DatasetVersion
from mlflow_workspace_plugin.stores.data.datastore_row import OWN_DATASTORE

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_INPUTS, _OUTPUTS = "inputs", "outputs"


class Delivery:
    """The data of a job on the machine that runs it.

    Args:
        store: of the job's workspace.
        run_id: the job.
        inputs: what it reads, as its definition holds it.
        outputs: what it makes, as its definition holds it.
        work: the folder that the script is run in.
        scratch: where folders of inputs and outputs are made, beside that.
        say: tells what is done.
    """

    def __init__(
        self,
        store: "WorkspaceTrackingStore",
        run_id: str,
        inputs: Sequence[Mapping[str, Any]],
        outputs: Sequence[Mapping[str, Any]],
        *,
        work: Path,
        scratch: Path,
        say: Callable[[str], None],
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._inputs = [DataInput.from_json(each) for each in inputs]
        self._outputs = [DataOutput.from_json(each) for each in outputs]
        self._work = work
        self._scratch = scratch
        self._say = say
        self._mounts = ExitStack()
        self._known: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._folders: dict[str, Path] = {}
        self._seen_new: set[str] = set()
        self._stored: set[str] = set()

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that tell the script where its data is."""
        return self._variables

    def filled(self, text: str, *, is_for_shell: bool = False) -> str:
        """Return a text with where the data is in the place of what stands for it.

        Args:
            text: an argument, or a command.
            is_for_shell: whether a shell reads it, to which the paths are one word each.
        """
        known = self._known
        if is_for_shell:
            known = {name: shlex.quote(value) for name, value in known.items()}
        return placeholders.filled(text, known)

    def bring(self) -> None:
        """Bring what the script reads, and make the folders of what it makes.

        Raises:
            UserErrorException: an input is not there, or cannot be brought to where it shall be.
            mlflow.exceptions.MlflowException: the hub, or a datastore, cannot be reached.
        """
        for each in self._inputs:
            place = self._bring(each)
            if each.is_reference:
                self._tell_reference(each.name, place)
            else:
                stands_for = placeholders.of_input(each.name)
                self._tell(each.name, place, variables.of_input, stands_for)
        for output in self._outputs:
            if output.register_as is not None:
                # Before the script has taken its hours.
                definition = _definition_of(output, output.destination(self._run_id))
                self._store.check_kind_of_dataset(output.register_as, definition.to_json())
            if output.mode != "link":
                self._make(output)
        if self._inputs:
            self._variables |= variables.of_inputs(
                (each.name, each.mode) for each in self._inputs if not each.is_reference
            )
        named = [each for each in self._outputs if not each.is_reference]
        if named:
            self._variables |= variables.of_outputs(
                (each.name for each in named if each.mode != "link"),
                (each.name for each in named if each.mode == "link"),
            )

    def store_outputs(self, *, is_completed: bool) -> None:
        """Store what the script made, and register it where that was asked for.

        Args:
            is_completed: whether the script has; else only what is stored in any case is.

        Raises:
            UserErrorException: a file is there already, and may not be replaced.
            mlflow.exceptions.MlflowException: the hub, or a datastore, cannot be reached. The call
                may be made again.
        """
        for output in self._outputs:
            if output.name in self._folders and (is_completed or output.mode == "mount"):
                self._store_output(output, is_completed=is_completed)
                self._stored.add(output.name)

    def unstored(self) -> str:
        """Return where each output is of which nobody knows that it is stored, and what stores it.

        As sentences; of none of them that is empty.
        """
        uri = uris.parse(self._store.tracking_uri)
        workspace = uris.workspace_name(self._store.tracking_uri)
        said = []
        for name, folder in self._folders.items():
            if name in self._stored:
                continue
            [output] = (each for each in self._outputs if each.name == name)
            words = (str(folder), output.destination(self._run_id))
            options = ("-d", output.datastore or OWN_DATASTORE, "-w", workspace)
            command = uris.typed_at(shlex.join(("data", "upload", *words, *options)), uri)
            said.append(
                f"Output {name} is in {str(folder)!r} on {platform.node()}; {command} stores it."
            )
        return " ".join(said)

    def close(self) -> None:
        """Take away what was brought: mounted folders, and copies in folders of their own."""
        self._mounts.close()
        shutil.rmtree(self._scratch / _INPUTS, ignore_errors=True)

    def _bring(self, wanted: DataInput) -> str:
        used = self._used(wanted)
        lineage.record_use(self._store, self._run_id, used, used_as=wanted.name, mode=wanted.mode)
        if wanted.mode == "direct":
            self._say(f"Input {wanted.name} is dataset {used.dataset}.")
            return used.dataset or ""
        files = used.files or []
        folder = self._place(wanted.path_on_compute, _INPUTS, wanted.name)
        if wanted.mode == "download":
            datasets.download(files, folder, overwrite=wanted.overwrite)
            self._say(f"Input {wanted.name}: {len(files)} files were copied to {folder}.")
        else:
            self._mounts.enter_context(datasets.mount(used.definition, files, folder))
            self._say(f"Input {wanted.name}: {len(files)} files are in {folder}.")
        single = datasets.single_file(used.definition, files)
        if single is None or (wanted.mode == "download" and not wanted.is_reference):
            # Of what is downloaded SDK v1 tells the folder, though it be one file.
            return str(folder)
        return str(folder / single.lstrip("/"))

    def _used(self, wanted: DataInput) -> Used:
        """Return what an input is now.

        Raises:
            UserErrorException: there is no such dataset, or no such file.
        """
        if wanted.datastore is not None:
            definition = DatasetDefinition("file", (InDatastore(wanted.datastore, wanted.path),))
            return Used(definition, files=self._found(wanted, definition))
        version = None
        if wanted.registered_as is not None:
            version = self._store.dataset_version(wanted.registered_as, wanted.version)
        if version is not None and wanted.dataset not in (None, version.id):
            version = None
        dataset_id = wanted.dataset if version is None else version.id
        saved = None if dataset_id is None else self._store.dataset(dataset_id)
        if saved is None:
            named = wanted.registered_as or wanted.dataset
            raise UserErrorException(
                f"Input {wanted.name!r} cannot be brought: the workspace has no dataset {named!r}"
                f"{'' if wanted.version is None else f' of version {wanted.version}'} any more. "
                "Register it again, and submit the script again."
            )
        definition = DatasetDefinition.from_json(saved.definition)
        files = self._found(wanted, definition, version)
        name, number = (None, None) if version is None else (version.name, version.version)
        return Used(definition, saved.id, name, number, files)

    def _found(
        self,
        wanted: DataInput,
        definition: DatasetDefinition,
        version: DatasetVersion | None = None,
    ) -> list[FoundFile] | None:
        try:
            return datasets.found(self._store, definition, version)
        except UserErrorException:
            # Who gets the dataset itself may never read it.
            if wanted.mode == "direct":
                return None
            raise

    def _make(self, output: DataOutput) -> None:
        folder = self._place(output.source, _OUTPUTS, output.name)
        self._folders[output.name] = folder
        if output.is_reference:
            # It may be a file, too: the script makes it.
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._tell_reference(output.name, str(folder))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            stands_for = placeholders.of_output(output.name)
            self._tell(output.name, str(folder), variables.of_value, stands_for)

    def _tell_reference(self, name: str, path: str) -> None:
        self._tell(name, path, variables.of_reference, placeholders.of_reference(name))

    def _tell(
        self, name: str, value: str, of: Callable[[str, str], dict[str, str]], stands_for: str
    ) -> None:
        self._known[stands_for] = value
        self._variables |= of(name, value)

    def _place(self, wanted: str | None, kind: str, name: str) -> Path:
        """Return where an input or output is: an absolute path."""
        if wanted is not None:
            return Path(self._work, wanted)
        folder = self._scratch / kind / name
        make_private(folder.parent.parent)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        return folder

    def _store_output(self, output: DataOutput, *, is_completed: bool) -> None:
        folder = self._folders[output.name]
        path = output.destination(self._run_id)
        name = output.datastore or OWN_DATASTORE
        sources = [
            (file, str(PurePosixPath(path, relative)))
            for file, relative in _files_of(folder, output.globs)
        ]
        # What waited on this machine would not be there when the run has completed.
        storage = storage_of(self._store, name, keeps=False)
        overwrite = output.overwrite or output.mode == "mount"
        if not (overwrite or output.is_reference or output.name in self._seen_new):
            _check_new(storage, path, {target for _, target in sources}, output.name)
        # When the call is made again, what is there is its own.
        self._seen_new.add(output.name)
        storage.upload(sources, overwrite=overwrite)
        self._say(f"Output {output.name}: {len(sources)} files are stored in {name}/{path}.")
        if output.is_reference or not sources or not is_completed:
            return
        definition = _definition_of(output, path)
        if output.register_as is None:
            used = Used(
                definition,
                datasets.save(self._store, definition),
                files=datasets.found(self._store, definition),
            )
        else:
            version = datasets.register(
                self._store,
                definition,
                output.register_as,
                description=output.description,
                tags=output.tags,
                new_version=True,
            )
            self._say(f"Output {output.name} is version {version.version} of {version.name}.")
            used = Used(
                definition,
                version.id,
                version.name,
                version.version,
                # As they were listed for it just now.
                manifest=datasets.registered_files(self._store, version),
            )
        lineage.record_use(
            self._store,
            self._run_id,
            used,
            used_as=output.name,
            mode=output.mode,
            context=OUTPUT,
        )


def _definition_of(output: DataOutput, path: str) -> DatasetDefinition:
    """Return the dataset that an output is, whose files are stored at a path."""
    return DatasetDefinition(
        "file" if output.reader is None else "tabular",
        (InDatastore(output.datastore or OWN_DATASTORE, f"{path}/**"),),
        reader=output.reader,
        steps=output.steps,
        partition_format=output.partition_format,
    )


def _files_of(folder: Path, globs: Sequence[str]) -> list[tuple[Path, str]]:
    """Return the files of a folder, and their paths in it; of a file, itself.

    Links are followed, as in the folder ``outputs`` of a run.

    Raises:
        OSError: a folder cannot be read.
    """
    if folder.is_file():
        return [(folder, folder.name)]
    if not folder.exists():
        return []
    patterns = [Pattern(normalized(each)) for each in globs]
    return [
        (folder / path, path)
        for path in files_below(folder, on_error=_raise)
        if not patterns or any(_is_in(path, pattern) for pattern in patterns)
    ]


def _check_new(storage: Any, path: str, targets: set[str], name: str) -> None:
    there = sorted(each.path for each in storage.files(path) if each.path in targets)
    if there:
        raise UserErrorException(
            f"Output {name!r} cannot be stored: there is a file {there[0]!r} already. Use "
            "as_upload(overwrite=True), or a destination with {run-id} in it."
        )


def _is_in(path: str, pattern: Pattern) -> bool:
    folder = f"{pattern.folder}/" if pattern.folder else ""
    return path == pattern.folder or (
        path.startswith(folder) and pattern.matches(path[len(folder) :])
    )


def _raise(error: OSError) -> None:
    raise error
