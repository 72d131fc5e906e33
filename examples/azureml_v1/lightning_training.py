"""Lightning and the run around the script: both log to the same run."""

import lightning.pytorch as pl
import torch
from azureml.core.run import Run, _OfflineRun
from lightning.pytorch.loggers import MLFlowLogger
from torch.utils.data import DataLoader, TensorDataset


class Line(pl.LightningModule):
    """Learns y = 2x + 1."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """Return the loss of a batch."""
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.SGD(self.parameters(), lr=self.hparams["rate"])


def logger_of(run: Run | _OfflineRun) -> MLFlowLogger | None:
    """Return a logger to a run; without one, Lightning logs nothing."""
    if isinstance(run, _OfflineRun):
        return None
    return MLFlowLogger(
        experiment_name=run.experiment.name,
        tracking_uri=run.experiment.workspace.get_mlflow_tracking_uri(),
        run_id=run.id,
    )


run = Run.get_context()
run.tag("framework", "lightning")

pl.seed_everything(0)
x = torch.linspace(-1, 1, 64).reshape(-1, 1)
trainer = pl.Trainer(
    max_epochs=5,
    logger=logger_of(run) or False,
    log_every_n_steps=1,
    accelerator="cpu",
    enable_checkpointing=False,
    enable_model_summary=False,
    enable_progress_bar=False,
)
model = Line(rate=0.1)
trainer.fit(model, DataLoader(TensorDataset(x, 2 * x + 1), batch_size=16))

run.log("slope", model.layer.weight.item())
