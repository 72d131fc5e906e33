"""Every kind of metric: logged by a run of a script's own, and read back."""

import matplotlib.pyplot as plt
from azureml.core import Experiment, Workspace

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="metrics")
run = experiment.start_logging(snapshot_directory=None)

# Single values: numbers, text, truth values.
run.log("accuracy", 0.92)
run.log("optimizer", "adam")
run.log("early_stopping", value=True)

# A name that is logged again becomes a list.
losses = [0.9, 0.5, 0.3, 0.2]
for epoch, loss in enumerate(losses):
    run.log("loss", loss, step=epoch)
run.log_list("fold_accuracy", [0.91, 0.94, 0.89])

# Tables, by rows and by columns.
for epoch in range(3):
    run.log_row("schedule", epoch=epoch, rate=0.1 / 2**epoch)
run.log_table("recall", {"class": ["cat", "dog", "fox"], "value": [0.97, 0.88, 0.91]})

# Images: a plot, and a file.
plt.plot(losses)
run.log_image("loss_curve", plot=plt)
plt.savefig("loss.png")
run.log_image("loss_file", path="loss.png")

# Charts. Those of a classifier count true positives, false positives, true negatives and false
# negatives, by class and threshold.
run.log_confusion_matrix(
    "confusion",
    {
        "schema_type": "confusion_matrix",
        "schema_version": "1.0.0",
        "data": {"class_labels": ["cat", "dog"], "matrix": [[3, 1], [0, 4]]},
    },
)
cat = [[4, 4, 0, 0], [3, 0, 4, 1], [0, 0, 4, 4]]
dog = [[4, 4, 0, 0], [4, 1, 3, 0], [0, 0, 4, 4]]
run.log_accuracy_table(
    "by_threshold",
    {
        "schema_type": "accuracy_table",
        "schema_version": "1.0.1",
        "data": {
            "class_labels": ["cat", "dog"],
            "probability_thresholds": [0.0, 0.5, 1.0],
            "probability_tables": [cat, dog],
            "percentile_thresholds": [0.0, 0.5, 1.0],
            "percentile_tables": [cat, dog],
        },
    },
)
run.log_residuals(
    "residuals",
    {
        "schema_type": "residuals",
        "schema_version": "1.0.0",
        "data": {"bin_edges": [-10.0, 0.0, 10.0], "bin_counts": [12, 9]},
    },
)
run.log_predictions(
    "predictions",
    {
        "schema_type": "predictions",
        "schema_version": "1.0.0",
        "data": {
            "bin_averages": [4.2, 15.1],
            "bin_errors": [0.8, 1.3],
            "bin_counts": [12, 9],
            "bin_edges": [0.0, 10.0, 20.0],
        },
    },
)
run.complete()

metrics = run.get_metrics()
print("loss", metrics["loss"])
print("schedule", metrics["schedule"])
print("accuracy", run.get_metrics(name="accuracy"))
