"""scikit-learn with autologging on the diabetes data: log, register, load back, compare.

An ordinary MLflow script: it runs on whatever MLFLOW_TRACKING_URI names.
"""

import mlflow
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from where_to_log import log_to

mlflow.autolog()
log_to("diabetes")

data = load_diabetes(as_frame=True)
with mlflow.start_run(run_name="forest") as run:
    model = RandomForestRegressor(n_estimators=10, max_depth=4, random_state=0)
    model.fit(data.data, data.target)
    mlflow.set_tag("dataset", "diabetes")
    mlflow.log_dict({"features": list(data.data.columns)}, "features.json")
    mlflow.log_metric("depth", 4)

logged = mlflow.last_logged_model()
version = mlflow.register_model(logged.model_uri, "diabetes-forest")
mlflow.MlflowClient().set_registered_model_alias("diabetes-forest", "best", version.version)

expected = model.predict(data.data)
for uri in ("models:/diabetes-forest/1", "models:/diabetes-forest@best", logged.model_uri):
    loaded = mlflow.sklearn.load_model(uri)
    np.testing.assert_array_equal(loaded.predict(data.data), expected)
print("run", run.info.run_id)
