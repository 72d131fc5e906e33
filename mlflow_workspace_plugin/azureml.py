"""Importing this module lets ``import azureml.core`` find the classes of this package.

Raises:
    ImportError: the real ``azureml-core`` is installed, which is never shadowed.
"""

from mlflow_workspace_plugin.alias.finder import install

install()
