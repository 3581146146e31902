"""A text's vector is what its encoder was trained to give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import PresetError
from kfine.presets import Preset

pytestmark = pytest.mark.keras

TRANSFORMER = {"type": "sentence_transformers.models.Transformer"}
NORMALIZE = {"type": "sentence_transformers.models.Normalize"}
FIRST = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
MOST = {"pooling_mode_max_tokens": True}


def preset_of(folder: Path, files: dict[str, Any]) -> Preset:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return Preset("own", "folder", folder)


def embedder(**config: Any) -> dict[str, Any]:
    return {"task.json": {"class_name": "BertTextEmbedder", "config": config}}


def pipeline(*modules: dict[str, str], pooling: Any = None) -> dict[str, Any]:
    given = {"1_Pooling/config.json": pooling} if pooling else {}
    return {"modules.json": [TRANSFORMER, *modules], **given}


@pytest.mark.parametrize(
    ("files", "mode", "unit"),
    [
        (pipeline(NORMALIZE, pooling=MEAN), "mean", True),
        (pipeline(pooling=MEAN), "mean", False),
        (pipeline(NORMALIZE, pooling=FIRST), "first", True),
        (pipeline(pooling=MOST), "max", False),
        (pipeline(NORMALIZE), "mean", True),
        (embedder(pooling_mode="cls", normalize=False), "first", False),
        (embedder(pooling_mode="mean", normalize=True), "mean", True),
        (embedder(), "mean", True),
        ({"task.json": {"class_name": "BertTextClassifier", "config": {}}}, "mean", True),
        ({}, "mean", True),
    ],
)
def test_the_files_of_a_preset_say_how_its_texts_are_pooled(
    files: dict[str, Any], mode: str, unit: bool, tmp_path: Path
) -> None:
    from kfine.models.text_pooling import text_pooling

    found = text_pooling(preset_of(tmp_path, files), "auto")
    assert found is not None
    assert (found.mode, found.unit) == (mode, unit)
    silent = not files or "TextClassifier" in str(files)
    assert ("says nothing" in str(found)) == silent


def test_a_setting_overrides_what_the_preset_says(tmp_path: Path) -> None:
    from kfine.models.text_pooling import text_pooling

    preset = preset_of(tmp_path, pipeline(NORMALIZE, pooling=FIRST))
    for setting, expected in {
        "mean": ("mean", False, False),
        "unit": ("mean", True, False),
        "last": ("first", True, False),
        "both": ("first", True, True),
        "auto": ("first", True, False),
    }.items():
        found = text_pooling(preset, setting)
        assert found is not None
        assert (found.mode, found.unit, found.middle) == expected
    assert text_pooling(preset, "first") is None
    shallow = text_pooling(preset, "auto", middle=True)
    assert shallow is not None and shallow.middle
    last = text_pooling(preset, "last", middle=True)
    assert last is not None and not last.middle


def test_a_damaged_file_of_the_preset_is_named(tmp_path: Path) -> None:
    from kfine.models.text_pooling import text_pooling

    (tmp_path / "modules.json").write_text("[{")
    with pytest.raises(PresetError, match=r"modules\.json is damaged"):
        text_pooling(Preset("own", "folder", tmp_path), "auto")


@pytest.mark.parametrize("mode", ["mean", "max", "first"])
@pytest.mark.parametrize("unit", [False, True])
def test_pooling_reads_the_tokens_in_use_and_brings_them_to_one_length(
    mode: str, unit: bool
) -> None:
    import keras

    from kfine.models.text_pooling import TextPooling

    random = np.random.default_rng(0)
    tokens = random.normal(size=(3, 5, 16)).astype("float32")
    mask = np.array([[1] * 5, [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]], "int32")
    given = keras.Input((5, 16)), keras.Input((5,), dtype="int32")
    model = keras.Model(given, TextPooling(mode, unit, "")(*given))
    found = keras.ops.convert_to_numpy(model([tokens, mask]))
    in_use = [row[kept == 1] for row, kept in zip(tokens, mask, strict=True)]
    pool = {"mean": lambda row: row.mean(0), "max": lambda row: row.max(0), "first": lambda r: r[0]}
    expected = np.stack([pool[mode](row) for row in in_use])
    if unit:
        expected *= 4 / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # What lies behind the text says nothing.
    tokens[1, 2:] = 100
    np.testing.assert_allclose(model([tokens, mask])[1], expected[1], atol=1e-5)


def test_a_classifier_sees_the_middle_layer_beside_the_last(tiny_text_preset: str) -> None:
    import keras

    from kfine.models.linear_head import below_head
    from kfine.models.text_heads import text_classifier, text_encoder
    from kfine.models.text_pooling import TextPooling, describe_pooling
    from kfine.presets import find_preset

    preset = find_preset(tiny_text_preset)
    both = TextPooling("mean", True, "said so", middle=True)
    model = text_classifier(preset, 2, both)
    ids = np.array([[1, 5, 6, 2], [1, 7, 2, 0]], "int32")
    rows = {"token_ids": ids, "padding_mask": ids > 0, "segment_ids": np.zeros_like(ids)}
    encoder = text_encoder(preset)
    blocks = [one for one in encoder.layers if one.name.startswith("transformer_layer")]
    seen = keras.Model(encoder.input, [blocks[len(blocks) // 2 - 1].output, encoder.output])
    expected = []
    for tokens in seen(rows):
        means = [row[kept].mean(0) for row, kept in zip(tokens.numpy(), ids > 0, strict=True)]
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        expected.append(means / lengths * np.sqrt(tokens.shape[-1]))
    found = below_head(model)(rows)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-4, atol=1e-4)
    assert "of the middle and of the last layer" in describe_pooling(both, model)
    # Where an encoder has no such layer apart, that is what is said.
    alone = text_classifier(preset, 2, TextPooling("mean", True, ""))
    assert "middle" not in describe_pooling(both, alone)


@pytest.fixture
def hub() -> Iterator[str]:
    """A server of one repository, which answers as that of Hugging Face does."""
    content = {"config.json": {}, **pipeline(pooling=FIRST)}

    class Repository(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            name = self.path.rpartition("/resolve/main/")[2]
            found = json.dumps(content[name]).encode() if name in content else b""
            self.send_response(200 if found else 404)
            self.send_header("ETag", f'"{len(found)}"')
            self.send_header("X-Repo-Commit", "a" * 40)
            self.send_header("X-Error-Code", "" if found else "EntryNotFound")
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(found)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_what_a_repository_says_is_fetched_beside_the_weights(hub: str, tmp_path: Path) -> None:
    code = """
from kfine.presets import fetch_beside, find_preset
found = fetch_beside(find_preset("hf://some/encoder"), ["modules.json", "missing.json",
                                                        "1_Pooling/config.json"])
assert found.read_json_list("modules.json"), found
assert found.read_json("1_Pooling/config.json")["pooling_mode_cls_token"]
assert find_preset("hf://some/encoder") == found
"""
    settings = {**os.environ, "HF_HOME": str(tmp_path), "HF_ENDPOINT": hub}
    settings.pop("HF_HUB_OFFLINE", None)
    subprocess.run([sys.executable, "-c", code], env=settings, check=True, timeout=120)
