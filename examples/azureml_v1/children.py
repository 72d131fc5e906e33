"""A search in child runs: one for each setting, the best one looked at in folds."""

from azureml.core import Experiment, Workspace

RATES = [0.01, 0.1, 1.0]
FOLDS = 2


def loss_at(rate: float) -> float:
    """Stand in for a training."""
    return abs(rate - 0.12)


ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="children")

with experiment.start_logging(display_name="search", snapshot_directory=None) as parent:
    children = parent.create_children(tag_key="rate", tag_values=[str(rate) for rate in RATES])
    for child, rate in zip(children, RATES, strict=True):
        child.log("loss", loss_at(rate))
        child.complete()

    best = min(parent.get_children(), key=lambda child: child.get_metrics()["loss"])
    best_rate = float(best.get_tags()["rate"])
    parent.log("best_rate", best_rate)

    with parent.child_run(name="folds") as folds:
        for number in range(FOLDS):
            with folds.child_run(name=str(number)) as fold:
                fold.log("loss", loss_at(best_rate) + number / 100)

print("best rate", best_rate)
print("children", len(list(parent.get_children())))
print("runs with metrics", len(parent.get_metrics(recursive=True)))
