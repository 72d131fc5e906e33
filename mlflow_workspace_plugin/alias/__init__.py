"""The name ``azureml`` as an alias of this package, where that is asked for."""
