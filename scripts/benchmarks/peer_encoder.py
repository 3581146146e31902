"""For workers: a folder of `encoder.py` as transformers' own model and tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

TOLERANCE = 1e-3


def quiet(folder: Path, seed: int) -> dict[str, Any]:
    """Training arguments that leave everything but the reports and the files at its default."""
    return {
        "output_dir": str(folder),
        "seed": seed,
        "report_to": "none",
        "save_strategy": "no",
    }


def save_pretrained(encoder: Path, folder: Path) -> None:
    """Write the model and its tokenizer, once their features are those of Keras."""
    model = BertModel(BertConfig.from_json_file(encoder / "config.json"))
    weights = np.load(encoder / "weights.npz")
    found = model.load_state_dict(
        {name: torch.from_numpy(weights[name]) for name in weights}, strict=False
    )
    if missing := [one for one in found.missing_keys if "position_ids" not in one]:
        raise SystemExit(f"weights without a value: {missing}")
    reference = np.load(encoder / "reference.npz")
    model.eval()
    with torch.inference_mode():
        features = model(torch.from_numpy(reference["ids"]).long()).last_hidden_state.numpy()
    difference = float(np.abs(features - reference["features"]).max())
    if not difference <= TOLERANCE:
        raise SystemExit(f"the features differ from those of Keras by {difference:.2g}")
    model.save_pretrained(folder)
    # From a folder: what makes one of a vocabulary alone is another argument in each version.
    shutil.copy(encoder / "vocab.txt", folder)
    tokenizer = BertTokenizerFast.from_pretrained(folder, do_lower_case=True, model_max_length=256)
    if (ids := tokenizer(str(reference["text"]))["input_ids"]) != reference["ids"][0].tolist():
        raise SystemExit(f"the tokenizer gives {ids}, not {reference['ids'][0].tolist()}")
    tokenizer.save_pretrained(folder)
