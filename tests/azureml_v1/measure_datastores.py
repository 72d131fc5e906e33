"""Measures SDK v1's datastores, registered datasets and runs, as :mod:`measure_data` does the rest.

Its client is the real one. Azurite holds the files, under the name of an account, and a server on
loopback answers for the workspace: with the datastore, and with what was registered. So what a
service decided is not measured. In a network and a mount namespace of its own, as root::

    unshare --mount --net sh -c '
        ip link set lo up
        (cat /etc/hosts; echo 127.0.0.1 account.blob.core.windows.net) > hosts
        mount --bind hosts /etc/hosts
        AZURITE_ACCOUNTS=account:YWJjZGFiY2RhYmNkYWJjZA== azurite-blob --blobPort 80 \
            --inMemoryPersistence --skipApiVersionCheck > azurite.log &
        sleep 5; sdk/bin/python tests/azureml_v1/measure_datastores.py; kill $!'

The record is ``datastores.json`` beside this file.
"""

import base64
import contextlib
import functools
import http.server
import io
import json
import logging
import os
import re
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measure_data import Case, compared, outcome

RECORD = Path(__file__).with_name("datastores.json")
ACCOUNT, CONTAINER, KEY = "account", f"c{os.getpid()}", "YWJjZGFiY2RhYmNkYWJjZA=="
STORED = ["w/2018/10.csv", "w/2018/11.csv", "w/2019/2.csv", "w/readme.txt", "a b/é#.csv", "top.csv"]
PATHS = [
    "w", "w/", "/w/", "w/2018", "w/2018/10.csv", "w/*", "w/**", "w/**/*.csv", "w/*/*.csv",
    "w/2018/1*", "", "/", "*", "**", "a b/*.csv", "w/201?/10.csv", "w/201[89]/10.csv", "w/201",
    "nope", "./w/", "../x", "W/*",
]  # fmt: skip


class Service(http.server.BaseHTTPRequestHandler):
    """A workspace that has one datastore, whatever it is called, and keeps datasets."""

    saved: dict[str, dict[str, Any]] = {}  # noqa: RUF012  # one for the process
    names: dict[str, list[str]] = {}  # noqa: RUF012

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        last = urllib.parse.unquote(path.rpartition("/")[2])
        if "/datastores/" in path:
            self._answer(self._datastore(last))
        elif "/dataversion/unregistered-" in path:
            saved = self.saved[path.split("/dataversion/unregistered-")[1].split("/")[0]]
            self._answer({"legacyDataflow": json.loads(saved["flow"])["meta"]["RsDataflow"]})
        elif last.startswith("name=") and last[5:] in self.names:
            version = re.search(r"versionId=(\d+)", query)
            self._answer(self._dataset(last[5:], int(version[1]) if version else None))
        elif last.startswith("savedDatasetId="):
            found = [name for name, ids in self.names.items() if last[15:] in ids]
            self._answer({"value": [self._dataset(name, None) for name in found]})
        elif last == "datasets":
            self._answer({"value": [self._dataset(name, None) for name in self.names]})
        else:
            self._answer(None)

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.partition("?")[0].endswith("/saveddatasets"):
            key = self._save(sent["dataflowJson"], sent)
            self._answer({"id": key, "datasetType": sent["datasetType"], "dataflowJson": "{}"})
        elif sent["name"] in self.names and "ifExistsOk=false" in self.path:
            self._answer({"error": {"code": "UserError", "message": "exists"}}, 409)
        else:
            key = self._save(sent["latest"]["dataflow"], sent)
            self.names.setdefault(sent["name"], []).append(key)
            self._answer(self._dataset(sent["name"], None))

    def _save(self, flow: str, sent: dict[str, Any]) -> str:
        key = str(uuid.uuid4())
        self.saved[key] = {"flow": flow, **sent}
        return key

    def _dataset(self, name: str, version: int | None) -> dict[str, Any] | None:
        keys = self.names[name]
        version = version or len(keys)
        if version > len(keys):
            return None
        saved = self.saved[keys[version - 1]]
        latest = {"versionId": str(version), "savedDatasetId": keys[version - 1]}
        latest |= {"dataflow": saved["flow"], "properties": {}}
        told = {each: saved.get(each) for each in ("name", "datasetType", "description", "tags")}
        return {"datasetId": str(uuid.uuid4()), "latest": latest, **told}

    def _datastore(self, name: str) -> dict[str, Any]:
        section = {"accountName": ACCOUNT, "containerName": CONTAINER, "protocol": "http"}
        section |= {"endpoint": "core.windows.net", "credential": KEY, "accountKey": KEY}
        section |= {"credentialType": "AccountKey", "serviceDataAccessAuthIdentity": "None"}
        return {"name": name, "dataStoreType": "AzureBlob", "azureStorageSection": section}

    def _answer(self, content: dict[str, Any] | None, status: int = 200) -> None:
        body = json.dumps(content or {"error": {"code": "NotFound", "message": "none"}}).encode()
        self.send_response(404 if content is None else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _token() -> str:
    parts = [{"alg": "none"}, {"exp": int(time.time()) + 3600}]
    encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts]
    return ".".join([*(each.rstrip("=") for each in encoded), "c2lnbmF0dXJl"])


def workspace(url: str) -> Any:
    """SDK v1's workspace of a run, whose service is at the URL."""
    token, expiry = _token(), str(int(time.time()) + 3600)
    names = {"SUBSCRIPTION": "sub", "RESOURCEGROUP": "rg", "WORKSPACE_NAME": "ws"}
    os.environ |= {f"AZUREML_ARM_{name}": value for name, value in names.items()}
    os.environ |= {"AZUREML_ARM_PROJECT_NAME": "exp", "AZUREML_RUN_ID": "run"}
    os.environ |= {"AZUREML_RUN_TOKEN": token, "AZUREML_RUN_TOKEN_EXPIRY": expiry}
    os.environ |= {"AZUREML_SERVICE_ENDPOINT": url, "AZUREML_WORKSPACE_ID": "id"}
    from azureml.core import Workspace
    from azureml.core.authentication import AzureMLTokenAuthentication as Authentication

    until = Authentication._convert_to_datetime(expiry)
    login = Authentication.create(token, until, url, "sub", "rg", "ws", "exp", "run")
    options = {"_workspace_id": "id", "auth": login, "_location": "here"}
    return Workspace("sub", "rg", "ws", _disable_service_check=True, **options)


Calls = Iterator[tuple[str, Callable[[], Any]]]


class Measurement:
    """A datastore with files, and the calls by their names, which build on each other."""

    def __init__(self, ws: Any, folder: Path) -> None:
        from azureml._vendor.azure_storage.blob import BlobServiceClient
        from azureml.core import Dataset, Datastore

        credential = {"account_name": ACCOUNT, "account_key": KEY}
        client = BlobServiceClient(f"http://{ACCOUNT}.blob.core.windows.net", credential=credential)
        self.container = client.get_container_client(CONTAINER)
        self.container.create_container()
        for name in STORED:
            self.container.upload_blob(name, f"x,y\n5,{name}\n".encode())
        self.store = Datastore.get(ws, "mystore")
        self.store.blob_service = client
        self.ws, self.folder, self.datasets = ws, folder, Dataset
        self.files = Dataset.File.from_files
        self.table = Dataset.Tabular.from_delimited_files
        self.source = folder / "source"
        (self.source / "sub").mkdir(parents=True)
        (self.source / "a.txt").write_text("A")
        (self.source / "sub" / "b.txt").write_text("B")
        self.whole = self.files((self.store, "w"))

    def calls(self) -> Calls:
        yield from self._paths()
        yield from self._transfers()
        yield from self._registered()
        yield from self._in_runs()

    def _paths(self) -> Calls:
        from azureml.data.datapath import DataPath

        pairs = [(self.store, "w/2018/*.csv"), (self.store, "w/2018/10.csv")]
        sources = {repr(path): (self.store, path) for path in PATHS}
        sources |= {"a DataPath alone": DataPath(self.store), "two": pairs}
        sources |= {"a DataReference": self.store.path("w/2018"), "a datastore": self.store}
        for name, source in sources.items():
            found = functools.partial(lambda source: self.files(source).to_path(), source)
            yield f"to_path of {name}", found
        target = str(self.folder / "w")
        yield "download", lambda: sorted(self.files((self.store, "w/2018")).download(target))
        rows = self.table((self.store, "w/**/*.csv"), include_path=True)
        yield "Path", lambda: [*rows.to_pandas_dataframe()["Path"]]

    def _transfers(self) -> Calls:
        upload, upload_files = self.store.upload, self.store.upload_files
        targets = {"t1": "t1", "t1, again": "t1", "/t2/": "/t2/", "../t3": "../t3"}
        for name, target in targets.items():
            call = functools.partial(upload, str(self.source), target)
            yield f"upload to {name}", functools.partial(self._stored, call, "t")
        yield "upload of a file", lambda: upload(str(self.source / "a.txt"))
        both = [str(self.source / "a.txt"), str(self.source / "sub" / "b.txt")]
        for name, options in {
            "two": {"files": both, "target_path": "f1"},
            "one": {"files": both[1:], "target_path": "f2"},
            "one below a root": {
                "files": both[1:],
                "target_path": "f3",
                "relative_root": self.source,
            },
            "one below another": {
                "files": both[1:],
                "target_path": "f4",
                "relative_root": "/other",
            },
            "none": {"files": ["/none"], "target_path": "f5"},
        }.items():
            plain = {key: str(each) if key != "files" else each for key, each in options.items()}
            call = functools.partial(upload_files, **plain, show_progress=False)
            yield f"upload_files of {name}", functools.partial(self._stored, call, "f")
        prefixes = {"t1": "t1", "t1, again": "t1", "t": "t", "none": "none"}
        for name, prefix in prefixes.items():
            yield f"download of {name}", functools.partial(self._downloaded, prefix)
        for place, pattern in enumerate([None, "*.txt", "*.none"]):
            make = self.datasets.File.upload_directory
            target = (self.store, f"u{place}")
            call = functools.partial(make, str(self.source), target, pattern=pattern)
            yield f"upload_directory, {pattern}", functools.partial(self._stored, call, "u")

    def _registered(self) -> Calls:
        get, part = self.datasets.get_by_name, self.files((self.store, "w/2018"))
        register = functools.partial(part.register, self.ws, "n")
        yield "register", lambda: told(self.whole.register(self.ws, "n", "D", {"k": "v"}))
        yield "what was registered", lambda: told(self.whole)
        yield "register again", register
        yield "register a version", lambda: told(register(create_new_version=True))
        for version in ("latest", 1, "1", 9, "x"):
            found = functools.partial(get, self.ws, "n", version)
            yield f"get_by_name, {version!r}", functools.partial(lambda found: told(found()), found)
        yield "get_by_name of none", lambda: get(self.ws, "none")
        yield "get_by_id of none", lambda: self.datasets.get_by_id(self.ws, "none")
        yield "datasets", lambda: [len(self.ws.datasets), "n" in self.ws.datasets]
        yield "datasets in a loop", lambda: [name.upper() for name in self.ws.datasets]
        yield "datasets as a list", lambda: list(self.ws.datasets)
        yield "datasets' text", lambda: str(self.ws.datasets)
        yield "datasets of none", lambda: self.ws.datasets["none"]
        yield "text of a dataset", lambda: str(get(self.ws, "n"))
        yield "derived", lambda: told(get(self.ws, "n").take(1))

    def _in_runs(self) -> Calls:
        from azureml.data import OutputFileDatasetConfig

        out = OutputFileDatasetConfig("res", ("mystore", "out"))
        for name, argument in {
            "direct": self.table((self.store, "w/**/*.csv")).as_named_input("raw"),
            "mounted": self.whole.as_named_input("raw").as_mount(),
            "downloaded": self.whole.as_named_input("raw").as_download("/x"),
            "a dataset": self.whole,
            "an output": out,
            "an output, uploaded": out.as_upload(),
            "an output, registered": out.register_on_complete("r"),
            "registered, then read": out.register_on_complete("r").read_delimited_files(),
            "read, then registered": out.read_delimited_files().register_on_complete("r"),
        }.items():
            yield f"argument: {name}", functools.partial(self._submitted, argument)
        yield "inside a run", self._inside

    def _stored(self, call: Callable[[], Any], below: str) -> list[Any]:
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            call()
        blobs = self.container.list_blobs(name_starts_with=below)
        return [sorted(each.name for each in blobs), shown.getvalue().splitlines()]

    def _downloaded(self, prefix: str) -> list[Any]:
        target = self.folder / "down"
        count = self.store.download(target, prefix=prefix, show_progress=False)
        found = (str(each.relative_to(target)) for each in target.rglob("*") if each.is_file())
        return [count, sorted(found)]

    def _submitted(self, argument: Any) -> list[Any]:
        from azureml.core.runconfig import RunConfiguration
        from azureml.core.script_run_config import _update_args_and_io

        configuration = RunConfiguration()
        configuration.arguments = [argument]
        _update_args_and_io(self.ws, configuration)
        inputs = {name: each.mechanism for name, each in configuration.data.items()}
        outputs = {
            name: [each.mechanism, each.additional_options.registration_options.name]
            for name, each in configuration.output_data.items()
        }
        return [configuration.arguments, inputs, outputs]

    def _inside(self) -> list[Any]:
        from azureml.core.run import InputDatasets, OutputDatasets

        os.environ |= {"AZUREML_DATASET_ENVIRONMENT_VARS": "raw:mount,tab:direct,gone:mount"}
        os.environ |= {"raw": "/mnt/raw", "tab": Service.names["n"][0], "res": "/mnt/res"}
        os.environ |= {"AZUREML_DATASET_FILE_OUTPUTS": "res"}
        inputs = InputDatasets(self.ws)
        return [inputs["raw"], inputs["gone"], told(inputs["tab"]), dict(OutputDatasets(self.ws))]


def told(dataset: Any) -> list[Any]:
    """What is said of a registered dataset."""
    return [dataset.name, dataset.version, dataset.description, dataset.tags]


def measured() -> list[Case]:
    """All calls with what came of them."""
    os.environ["AZUREML_LOG_LEVEL"] = "CRITICAL"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):

        def plain(text: str) -> str:
            text = re.sub(r"\|?\s*session_id=[\w-]+", "", text).replace(folder, "")
            return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)

        ws = workspace(f"http://127.0.0.1:{server.server_port}")
        logging.disable()
        calls = Measurement(ws, Path(folder)).calls()
        found = [{"name": name} | outcome(call, plain) for name, call in calls]
        loaded: list[Case] = json.loads(plain(json.dumps(found, ensure_ascii=False)))
        return loaded


if __name__ == "__main__":
    sys.exit(compared(measured(), RECORD))
