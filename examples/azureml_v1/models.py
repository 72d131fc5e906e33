"""A scikit-learn model: trained twice, registered, found, downloaded and used."""

import joblib
import sklearn
from azureml.core import Experiment, Model, Workspace
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

NAME = "diabetes-ridge"

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="models")
features, target = load_diabetes(return_X_y=True)

for alpha in [1.0, 0.1]:
    with experiment.start_logging(snapshot_directory=None) as run:
        model = Ridge(alpha=alpha).fit(features, target)
        run.log("r2", model.score(features, target))
        joblib.dump(model, "outputs/ridge.pkl")
        # ./outputs is stored when the run ends; a model is registered from what is stored.
        run.upload_file("outputs/ridge.pkl", "outputs/ridge.pkl")
        registered = run.register_model(
            model_name=NAME,
            model_path="outputs/ridge.pkl",
            tags={"alpha": str(alpha)},
            model_framework=Model.Framework.SCIKITLEARN,
            model_framework_version=sklearn.__version__,
        )
        print("registered", registered.id)

for each in Model.list(ws, name=NAME):
    print(each.name, each.version, each.tags)

latest = Model(ws, NAME)
downloaded = joblib.load(latest.download(target_dir="downloads", exist_ok=True))
print("latest", latest.version, downloaded.alpha)

path = Model.get_model_path(NAME, version=1, _workspace=ws)
print("first", joblib.load(path).predict(features[:1]).round())
