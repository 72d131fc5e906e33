"""Hugging Face's Trainer with report_to="mlflow", on a tiny randomly initialised model.

An ordinary script of transformers; nothing is downloaded.
"""

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)
from where_to_log import log_to


class Sentences(torch.utils.data.Dataset):
    """Thirty-two made-up sentences, of ids, in two classes."""

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.full((8,), index % 2 + 1)
        return {"input_ids": ids, "labels": torch.tensor(index % 2)}


def main() -> None:
    log_to()
    set_seed(0)
    config = BertConfig(
        vocab_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    arguments = TrainingArguments(
        output_dir="checkpoints",
        report_to="mlflow",
        run_name="tiny-bert",
        num_train_epochs=2,
        per_device_train_batch_size=8,
        logging_steps=1,
        eval_strategy="epoch",
        save_strategy="no",
        use_cpu=True,
        seed=0,
    )
    trainer = Trainer(
        BertForSequenceClassification(config),
        arguments,
        train_dataset=Sentences(),
        eval_dataset=Sentences(),
    )
    trainer.train()


if __name__ == "__main__":
    main()
