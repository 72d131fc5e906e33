"""One training of the sweep: a ridge regression with the alpha that it is given."""

import argparse
from pathlib import Path

import joblib
from azureml.core import Run
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, required=True)
alpha = parser.parse_args().alpha

run = Run.get_context()
features, target = load_diabetes(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(features, target, random_state=0)
model = Ridge(alpha=alpha).fit(train_x, train_y)
mse = mean_squared_error(test_y, model.predict(test_x))
run.log("alpha", alpha)
run.log("mse", mse)

# The runner has made the folder, and keeps what is in it.
joblib.dump(model, Path("outputs", "model.pkl"))
print(f"alpha is {alpha:.2f}, and mse is {mse:.2f}")
