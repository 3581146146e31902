"""Worker: the Trainer of transformers with its defaults, on the encoder of the preset.

Reference: https://huggingface.co/docs/transformers/tasks/sequence_classification
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from datasets import Dataset
from peer import answer, cpu_seconds, read_order
from peer_encoder import quiet, save_pretrained
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)


def main() -> None:
    """Train for three epochs, label the test texts."""
    order = read_order()
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(Path(order.encoder), Path(folder) / "encoder")
        tokenizer = AutoTokenizer.from_pretrained(Path(folder) / "encoder")
        model = AutoModelForSequenceClassification.from_pretrained(
            Path(folder) / "encoder", num_labels=len(order.classes)
        )

        def tokenized(rows: list[tuple[str, str]], **more: list[int]) -> Dataset:
            found = Dataset.from_dict({"text": [text for text, _ in rows], **more})
            return found.map(
                lambda batch: tokenizer(batch["text"], truncation=True),
                batched=True,
                remove_columns="text",
            )

        arguments = TrainingArguments(
            **quiet(Path(folder) / "out", order.seed), disable_tqdm=True, use_cpu=True
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=tokenized(order.train, label=order.numbers()),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        seconds = cpu_seconds()
        logits = trainer.predict(tokenized(order.test)).predictions
    answer(seconds, [order.classes[one] for one in logits.argmax(1)])


if __name__ == "__main__":
    main()
