"""PyTorch Lightning with its MLFlowLogger, checkpoints included, and a TensorBoardLogger beside it.

An ordinary Lightning script: the tracking URI is any that MLflow knows.
"""

import os

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger
from torch.utils.data import DataLoader, TensorDataset
from where_to_log import log_to


class Line(lightning.LightningModule):
    """Fits a line."""

    def __init__(self, learning_rate: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor], _index: int) -> torch.Tensor:
        """Return, and log, the loss of a batch."""
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor], _index: int) -> None:
        """Log the loss of a validation batch."""
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(x), y))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=self.hparams.learning_rate)


def train(logger: MLFlowLogger) -> None:
    lightning.seed_everything(0)
    x = torch.linspace(-1, 1, 64).unsqueeze(1)
    loader = DataLoader(TensorDataset(x, 3 * x + 1), batch_size=16)
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=[logger, TensorBoardLogger("tensorboard")],
        callbacks=[ModelCheckpoint(monitor="val_loss", save_top_k=-1, filename="{epoch}")],
    )
    trainer.fit(Line(), loader, loader)


def main() -> None:
    logger = MLFlowLogger(
        experiment_name="lightning",
        tracking_uri=log_to(),
        run_id=os.environ.get("MLFLOW_RUN_ID"),  # of the run around the script, if there is one
        log_model="all",
    )
    train(logger)
    print("run", logger.run_id)


if __name__ == "__main__":
    main()
