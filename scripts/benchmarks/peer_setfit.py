"""Worker: SetFit with its defaults, on the encoder of the KerasHub preset.

Reference: https://huggingface.co/docs/setfit/quickstart
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from datasets import Dataset
from peer import answer, cpu_seconds, read_order
from peer_encoder import quiet, save_pretrained
from sentence_transformers import SentenceTransformer, models
from setfit import SetFitModel, Trainer, TrainingArguments


def main() -> None:
    """Train on pairs, fit the head, label the test texts."""
    order = read_order()
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(Path(order.encoder), Path(folder) / "encoder")
        word = models.Transformer(str(Path(folder) / "encoder"), max_seq_length=256)
        pooling = models.Pooling(word.get_word_embedding_dimension(), pooling_mode="mean")
        sentences = SentenceTransformer(modules=[word, pooling, models.Normalize()], device="cpu")
        sentences.save(str(Path(folder) / "sentences"))
        model = SetFitModel.from_pretrained(str(Path(folder) / "sentences"), labels=order.classes)
        texts = {"text": [text for text, _ in order.train], "label": order.numbers()}
        arguments = TrainingArguments(
            **quiet(Path(folder) / "out", order.seed), show_progress_bar=False
        )
        Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict(texts)).train()
        seconds = cpu_seconds()
        answer(seconds, [str(one) for one in model.predict([text for text, _ in order.test])])


if __name__ == "__main__":
    main()
