"""Packages of conda, and what has the same content on a Python package index."""

import re

_NAMES = """
    absl-py aiohttp albumentations altair arrow astropy azure-core azure-identity
    azure-storage-blob beautifulsoup4 black bokeh boto3 bottleneck catboost category-encoders
    cffi click cloudpickle colorama coverage cryptography cycler cython dask datasets dill
    distributed django docker einops emoji evaluate fastapi fastparquet filelock flask fsspec
    future gensim gitpython google-cloud-storage gradio graphviz gunicorn h5py holidays
    huggingface-hub hyperopt imageio imbalanced-learn inference-schema ipykernel ipython
    ipywidgets jinja2 joblib jsonschema jupyter jupyterlab keras lightgbm lightning lime
    llvmlite lxml matplotlib mlxtend nbconvert networkx nltk notebook numba numexpr numpy onnx
    onnxruntime openpyxl opt-einsum optuna orjson packaging pandas papermill paramiko patsy
    plotly prophet protobuf psutil psycopg pyarrow pycocotools pydantic pydot pyjwt pymongo
    pymysql pyodbc pyparsing pyspark pytest pytest-cov python-dateutil python-dotenv
    pytorch-lightning pytz pyyaml pyzmq redis regex requests rich sacrebleu safetensors
    scikit-image scikit-learn scikit-optimize scipy seaborn sentencepiece setuptools shap six
    skl2onnx spacy sqlalchemy statsmodels streamlit sympy tabulate tenacity tensorboard
    tensorboardx tensorflow tensorflow-hub tensorflow-probability termcolor textblob
    threadpoolctl tokenizers toml toolz torchaudio torchmetrics torchvision tornado tqdm
    transformers typing-extensions tzdata ujson umap-learn urllib3 uvicorn wandb werkzeug wheel
    wordcloud wrapt xarray xgboost xlrd xlsxwriter yellowbrick zarr zipp
"""
SAME = frozenset(_NAMES.split())
"""Those that have one name in both."""

OTHERS = {
    "cpuonly": None,
    "cudatoolkit": None,
    "cudnn": None,
    "dask-core": "dask",
    "dataclasses": None,
    "faiss": "faiss-cpu",
    "faiss-cpu": "faiss-cpu",
    "intel-openmp": None,
    "lightgbm-gpu": "lightgbm",
    "keras-gpu": "keras",
    "libblas": None,
    "libgcc-ng": None,
    "libstdcxx-ng": None,
    "matplotlib-base": "matplotlib",
    "mkl": None,
    "mkl-service": None,
    "msgpack-python": "msgpack",
    "nomkl": None,
    "onnxruntime-gpu": "onnxruntime-gpu",
    "opencv": "opencv-python-headless",
    "openmpi": None,
    "pillow": "pillow",
    "pil": "pillow",
    "pip": None,
    "plotly-orca": None,
    "prometheus_client": "prometheus-client",
    "psycopg2": "psycopg2-binary",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-cuda": None,
    "pytorch-gpu": "torch",
    "pytorch-mutex": None,
    "ray-core": "ray",
    "ray-default": "ray[default]",
    "ray-tune": "ray[tune]",
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow-cpu",
    "tensorflow-gpu": "tensorflow",
    "torchvision-cpu": "torchvision",
    "uvicorn-standard": "uvicorn[standard]",
}
"""Those that have another name there, or none because the wheels of others bring their content."""

_SPEC = re.compile(
    r"^(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_][\w.-]*?)\s*(?:\[[^]]*\])?\s*"
    r"(?P<version>(?:[=<>!~]=?|\s).*)?$"
)


def name_and_version(spec: str) -> tuple[str, str] | None:
    """Return the name of a package of conda in lower case, and what is said of its version.

    Args:
        spec: such as ``scikit-learn=1.5``, ``conda-forge::numpy>=1.20,<2`` or ``mkl 2024.0 h1``.

    Returns:
        The version as pip writes it, empty for any; None where the specification is none.
    """
    found = _SPEC.match(spec.strip())
    if found is None:
        return None
    return found["name"].lower(), _version(found["version"] or "")


def equivalent(name: str) -> str | None:
    """Return what a package of conda is called on a Python package index.

    Returns:
        An empty text where nothing needs to be installed for it; None where that is not known.
    """
    if name in OTHERS:
        return OTHERS[name] or ""
    # Both write one name in several ways.
    same = name.replace("_", "-")
    return name if name in SAME or same in SAME else None


def _version(said: str) -> str:
    """Return a version as pip writes it; that of a build is left out."""
    text = said.strip()
    if not text or text == "*":
        return ""
    if text[0] not in "=<>!~":
        text = f"={text.split()[0]}"
    if text.startswith("=") and not text.startswith("=="):
        # conda's single sign means all that begin with it; what is behind a second is the build.
        version = text[1:].split("=")[0].strip()
        return f"=={version}" if version.endswith("*") else f"=={version}.*"
    if text.startswith("=="):
        return f"=={text[2:].split('=')[0].split()[0].strip()}"
    return text.replace(" ", "")
