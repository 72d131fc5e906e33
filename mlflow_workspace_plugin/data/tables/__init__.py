"""Reading the rows of datasets: delimited files, Parquet and JSON lines.

pyarrow reads, in batches; what is asked for at once becomes a pandas ``DataFrame``. The types of
columns, missing values and odd rows are as Azure ML's SDK v1 had them.
"""
