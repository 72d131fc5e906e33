"""XGBoost with autologging. An ordinary MLflow script."""

import mlflow
import xgboost
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from where_to_log import log_to

mlflow.xgboost.autolog()
log_to("xgboost")

x_train, x_test, y_train, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=0)
train = xgboost.DMatrix(x_train, label=y_train)
test = xgboost.DMatrix(x_test, label=y_test)
with mlflow.start_run() as run:
    xgboost.train(
        {"objective": "reg:squarederror", "max_depth": 3, "seed": 0, "nthread": 1},
        train,
        num_boost_round=5,
        evals=[(train, "train"), (test, "test")],
        verbose_eval=False,
    )
print("run", run.info.run_id)
