"""Packages of conda, and what has the same content on a Python package index."""

import re

_NAMES = """
    absl-py aiohttp aiosignal albumentations altair arrow astropy async-timeout attrs azure-core
    azure-identity azure-storage-blob beautifulsoup4 black bokeh boto3 bottleneck brotli
    cachetools catboost category-encoders certifi cffi chardet charset-normalizer click
    cloudpickle colorama contourpy coverage cryptography cycler cython dask datasets decorator
    defusedxml dill distributed django docker einops emoji entrypoints evaluate fastapi
    fastparquet filelock flake8 flask fonttools frozenlist fsspec future gensim gitpython
    google-auth google-auth-oauthlib google-cloud-storage gradio graphviz grpcio gunicorn h5py
    holidays huggingface-hub hyperopt idna imageio imageio-ffmpeg imbalanced-learn
    importlib-metadata inference-schema iniconfig ipykernel ipython ipywidgets isort jedi jinja2
    joblib jsonschema jupyter jupyter-client jupyter-core jupyterlab keras kiwisolver lightgbm
    lightning lime llvmlite lxml markdown markupsafe matplotlib mistune mlxtend msrest multidict
    mypy nbconvert nbformat networkx nltk notebook numba numexpr numpy oauthlib onnx onnxruntime
    openpyxl opt-einsum optuna orjson packaging pandas papermill paramiko parso pathspec patsy
    pexpect pickleshare plotly pluggy prompt-toolkit prophet protobuf psutil psycopg ptyprocess
    pyarrow pyasn1 pyasn1-modules pycocotools pycparser pydantic pydot pygments pyjwt pylint
    pymongo pymysql pyodbc pyopenssl pyparsing pyrsistent pysocks pyspark pytest pytest-cov
    python-dateutil python-dotenv pytorch-lightning pytz pyyaml pyzmq redis regex requests
    requests-oauthlib rich rsa ruamel.yaml sacrebleu safetensors scikit-image scikit-learn
    scikit-optimize scipy seaborn sentencepiece setuptools shap six skl2onnx spacy sqlalchemy
    statsmodels streamlit sympy tabulate tenacity tensorboard tensorboardx tensorflow
    tensorflow-hub tensorflow-probability termcolor textblob threadpoolctl tokenizers toml tomli
    toolz torchaudio torchmetrics torchvision tornado tqdm traitlets transformers
    typing-extensions tzdata ujson umap-learn urllib3 uvicorn virtualenv wandb wcwidth
    webencodings websocket-client werkzeug wheel widgetsnbextension wordcloud wrapt xarray
    xgboost xlrd xlsxwriter yarl yellowbrick zarr zipp
"""
SAME = frozenset(_NAMES.split())
"""Those that have one name in both."""

OTHERS = {
    "_libgcc_mutex": None,
    "_openmp_mutex": None,
    "blas": None,
    "brotlipy": "brotli",
    "bzip2": None,
    "ca-certificates": None,
    "cpuonly": None,
    "cudatoolkit": None,
    "cudnn": None,
    "dask-core": "dask",
    "dataclasses": None,
    "faiss": "faiss-cpu",
    "faiss-cpu": "faiss-cpu",
    "freetype": None,
    "intel-openmp": None,
    "ipython_genutils": "ipython-genutils",
    "jpeg": None,
    "keras-gpu": "keras",
    "lcms2": None,
    "ld_impl_linux-64": None,
    "lerc": None,
    "libblas": None,
    "libcblas": None,
    "libdeflate": None,
    "libffi": None,
    "libgcc": None,
    "libgcc-ng": None,
    "libgfortran-ng": None,
    "libgfortran5": None,
    "libgomp": None,
    "liblapack": None,
    "libopenblas": None,
    "libpng": None,
    "libsqlite": None,
    "libstdcxx": None,
    "libstdcxx-ng": None,
    "libtiff": None,
    "libuuid": None,
    "libwebp": None,
    "libwebp-base": None,
    "libzlib": None,
    "lightgbm-gpu": "lightgbm",
    "llvm-openmp": None,
    "lz4-c": None,
    "matplotlib-base": "matplotlib",
    "mkl": None,
    "mkl-service": None,
    "mkl_fft": None,
    "mkl_random": None,
    "msgpack-python": "msgpack",
    "ncurses": None,
    "nomkl": None,
    "numpy-base": None,
    "onnxruntime-gpu": "onnxruntime-gpu",
    "openblas": None,
    "opencv": "opencv-python-headless",
    "openmpi": None,
    "openssl": None,
    "pil": "pillow",
    "pillow": "pillow",
    "pip": None,
    "plotly-orca": None,
    "prometheus_client": "prometheus-client",
    "psycopg2": "psycopg2-binary",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pysoundfile": "soundfile",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "python-tzdata": "tzdata",
    "python_abi": None,
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-cuda": None,
    "pytorch-gpu": "torch",
    "pytorch-mutex": None,
    "ray-core": "ray",
    "ray-default": "ray[default]",
    "ray-tune": "ray[tune]",
    "readline": None,
    "sqlite": None,
    "tbb": None,
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow-cpu",
    "tensorflow-gpu": "tensorflow",
    "tk": None,
    "torchvision-cpu": "torchvision",
    "uvicorn-standard": "uvicorn[standard]",
    "xz": None,
    "yaml": None,
    "zlib": None,
    "zstd": None,
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
