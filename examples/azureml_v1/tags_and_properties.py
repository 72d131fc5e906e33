"""Tags, which change, and properties, which do not; and runs found by them."""

from azureml.core import Experiment, Workspace

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="tags_and_properties")

for season in ["spring", "summer"]:
    with experiment.start_logging(display_name=season, snapshot_directory=None) as run:
        run.set_tags({"season": season, "stage": "candidate", "draft": "yes"})
        run.add_properties({"data": f"sales-{season}.csv"})

# What one finds out later.
winner = next(experiment.get_runs(tags={"season": "summer"}))
winner.tag("stage", "production")
winner.tag("reviewed")
winner.remove_tags(["draft"])
winner.description = "Sells **ice cream**."

for run in experiment.get_runs(tags="reviewed", properties={"data": "sales-summer.csv"}):
    print(run.display_name, run.get_tags(), run.get_properties())
