"""A training that somebody else starts: the run is the one around the script."""

import argparse
from pathlib import Path

import joblib
from azureml.core import Run
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--alphas", type=float, nargs="+", default=[1.0])
arguments = parser.parse_args()

# Without a run around it the script works, too: it prints what it would log.
run = Run.get_context()

x_train, x_test, y_train, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=0)
models = {}
for alpha in arguments.alphas:
    model = Ridge(alpha=alpha).fit(x_train, y_train)
    error = mean_squared_error(y_test, model.predict(x_test))
    run.log("alpha", alpha)
    run.log("mse", error)
    models[error] = model

best = models[min(models)]
run.tag("best_alpha", str(best.alpha))
Path("outputs").mkdir(exist_ok=True)
joblib.dump(best, "outputs/model.pkl")
print("best alpha", best.alpha)
