"""The BERT encoder of a KerasHub preset as a folder that `transformers` reads."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np

# A text, and its ids in the vocabulary of BERT.
REFERENCE = ("this is a test", (101, 2023, 2003, 1037, 3231, 102))
# Of KerasHub's layers, in transformers' words.
_NAMES = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embeddings_layer_norm": "embeddings.LayerNorm",
    "self_attention_layer/query": "attention.self.query",
    "self_attention_layer/key": "attention.self.key",
    "self_attention_layer/value": "attention.self.value",
    "self_attention_layer/attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "feedforward_intermediate_dense": "intermediate.dense",
    "feedforward_output_dense": "output.dense",
    "feedforward_layer_norm": "output.LayerNorm",
    "pooled_dense": "pooler.dense",
}


def write_encoder(preset: Path, folder: Path) -> None:
    """Write `config.json`, `vocab.txt`, `weights.npz`, and features of a text to compare with.

    Args:
        preset: Folder of a BERT preset with an uncased vocabulary.
        folder: An empty one.
    """
    from kfine.backend import load_backend

    load_backend()
    import keras_hub

    backbone = keras_hub.models.Backbone.from_preset(str(preset))
    weights = dict(_named(one.path, np.asarray(one.value)) for one in backbone.weights)
    ids = np.array([REFERENCE[1]], np.int32)
    given = {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
    }
    features = backbone.predict(given, verbose=0)["sequence_output"]
    np.savez(folder / "weights.npz", **weights)
    np.savez(folder / "reference.npz", text=REFERENCE[0], ids=ids, features=features)
    shutil.copy(preset / "assets" / "tokenizer" / "vocabulary.txt", folder / "vocab.txt")
    config = {
        "model_type": "bert",
        "vocab_size": backbone.vocabulary_size,
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.num_heads,
        "hidden_size": backbone.hidden_dim,
        "intermediate_size": backbone.intermediate_dim,
        # KerasHub approximates it.
        "hidden_act": "gelu_new",
        "max_position_embeddings": backbone.max_sequence_length,
    }
    (folder / "config.json").write_text(json.dumps(config))


def _named(path: str, value: np.ndarray) -> tuple[str, np.ndarray]:
    layer, kind = path.rsplit("/", 1)
    prefix = ""
    if match := re.match(r"transformer_layer_(\d+)/(.*)", layer):
        prefix, layer = f"encoder.layer.{match[1]}.", match[2]
    if kind == "kernel":
        # Attention goes from hidden to heads and size of a head, and with its output back.
        back = layer.endswith("attention_output")
        value = value.reshape((-1, value.shape[-1]) if back else (value.shape[0], -1)).T
    elif kind == "bias":
        value = value.reshape(-1)
    name = "bias" if kind in ("beta", "bias") else "weight"
    return f"{prefix}{_NAMES[layer]}.{name}", np.ascontiguousarray(value)
