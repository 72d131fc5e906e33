"""Eight processes logging to a run each, and four logging to one run, all at once.

An ordinary MLflow script.
"""

import multiprocessing
import sys

import mlflow
from where_to_log import log_to

VALUES = 50


def own_run(rank: int) -> None:
    with mlflow.start_run(run_name=f"own-{rank}"):
        mlflow.log_param("rank", rank)
        for step in range(VALUES):
            mlflow.log_metric("value", rank * 1000 + step, step=step)


def shared_run(run_id: str, rank: int) -> None:
    client = mlflow.MlflowClient()
    client.log_param(run_id, f"rank-{rank}", rank)
    for step in range(VALUES):
        client.log_metric(run_id, "value", rank * 1000 + step, step=step)
    client.log_text(run_id, str(rank), f"rank-{rank}.txt")


def main() -> None:
    context = multiprocessing.get_context(sys.argv[1] if len(sys.argv) > 1 else None)
    # A server that forks has imported it then, and its children need not.
    context.set_forkserver_preload(["mlflow"])
    log_to("processes")
    with mlflow.start_run(run_name="shared") as shared:
        children = [context.Process(target=own_run, args=(rank,)) for rank in range(8)]
        children += [
            context.Process(target=shared_run, args=(shared.info.run_id, rank)) for rank in range(4)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join()
    sys.exit(max(child.exitcode for child in children))


if __name__ == "__main__":
    main()
