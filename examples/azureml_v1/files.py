"""Files of a run: uploaded, captured from ./outputs, downloaded; and a snapshot of its code."""

import zipfile
from pathlib import Path

from azureml.core import Experiment, Workspace

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="files")

# The code is kept as it was when the run started.
run = experiment.start_logging(snapshot_directory=str(Path(__file__).parent))

Path("data").mkdir(exist_ok=True)
for part in ["train", "test"]:
    Path(f"data/{part}.csv").write_text(f"part\n{part}\n")
run.upload_file("notes/train.csv", "data/train.csv")
run.upload_folder("data", "data")

# Nobody has to upload what is in ./outputs: it is stored when the run ends.
Path("outputs/report.txt").write_text("All is well.\n")
run.complete()

print("files:", *run.get_file_names())

run.download_file("outputs/report.txt", output_file_path="downloads/report.txt")
run.download_files(prefix="data", output_directory="downloads", append_prefix=False)
with zipfile.ZipFile(run.restore_snapshot(path="downloads")) as snapshot:
    print("code:", *snapshot.namelist())
