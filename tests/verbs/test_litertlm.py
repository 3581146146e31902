"""A language model as a file for LiteRT-LM: what it says, holds, and refuses."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError, ExportError, GateRefused

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)
THINGS = ("ball", "dog", "tree")
TABLE = 265 * 16


@pytest.fixture(scope="module", autouse=True)
def imports(needs_keras: None) -> None:
    global tf, load_exported
    import tensorflow as tf

    from kfine.runtimes.loading import load_exported


@pytest.fixture(scope="module")
def run(tiny_language_preset: str, tmp_path_factory: pytest.TempPathFactory) -> kfine.Run:
    chance = random.Random(1)
    rows = []
    for number in range(90):
        thing = chance.choice(THINGS)
        asked = {"instruction": f"give {number}", "input": thing}
        rows.append({**asked, "output": f"the {thing}"})
    folder = tmp_path_factory.mktemp("litertlm")
    data = folder / "things.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    return kfine.fit(
        "text_generation",
        run_dir=folder / "run",
        console=QUIET,
        data=str(data),
        preset=tiny_language_preset,
        adapter="none",
        unfreeze="all",
        epochs=12,
        batch_size=8,
        learning_rate=0.03,
        backbone_rate=1.0,
    )


@pytest.fixture(scope="module")
def exact(run: kfine.Run) -> Any:
    return kfine.export(run, format="litertlm", quantize="none", console=QUIET)


@pytest.fixture(scope="module")
def bundle(run: kfine.Run) -> Any:
    """Int8 weights; so small a model has few that are alike, and more may change than in one of
    use.
    """
    return kfine.export(run, golden=2, max_drop=0.2, console=QUIET)


def test_the_float32_file_writes_what_keras_writes(run: kfine.Run, exact: Any) -> None:
    assert exact.path.name == "model-none.litertlm" and exact.verdict.passed
    assert json.loads(exact.path.with_suffix(".json").read_text())["told"]["places"] > 40
    assert 0 < exact.memory_bytes < 1e9
    assert exact.verdict.agreement == 1.0 and exact.verdict.drop == 0
    told = exact.told
    assert told["places"] > 40 and told["tokens_per_second"] > 0
    assert told["loss"] == pytest.approx(told["reference_loss"], rel=1e-4)
    prompts = [f"give {number}\n\n{thing}" for number in (3, 104) for thing in THINGS * 2]
    found = kfine.predict(exact.path, prompts, console=QUIET)
    expected = kfine.predict(run, prompts, console=QUIET)
    assert [one.rows[0]["text"] for one in found] == [one.rows[0]["text"] for one in expected]
    assert len({one.rows[0]["text"] for one in found}) > 1
    sure = [[one.rows[0]["probability"] for one in each] for each in (found, expected)]
    np.testing.assert_allclose(sure[0], sure[1], atol=1e-4)


def test_prompts_are_read_in_pieces_up_to_the_end_of_the_cache(run: kfine.Run, exact: Any) -> None:
    file = load_exported(exact.path)
    assert file.room == 1024
    drawn = np.random.default_rng(0).integers(3, 265, 1024)
    for length in (1, 2, 16, 17, 18, 145, 1020, 1024):
        prompt = drawn[:length].astype("int32")
        given = {"prompt_ids": prompt[None], "reply_ids": np.zeros((1, 1), "int32")}
        np.testing.assert_allclose(file.read(prompt), run.model(given)[0, 0], atol=2e-4)


def test_a_conversation_goes_on_in_the_file(run: kfine.Run, exact: Any) -> None:
    pair = [kfine.Chat(one, console=QUIET) for one in (run, exact.path)]
    for text in ("give 1\n\ndog", "give 2\n\ntree"):
        said = ["".join(chat.say(text)) for chat in pair]
        assert said[0] == said[1] != ""
    assert len(pair[1].turns) == 4
    with pytest.raises(ConfigError, match=r"A message may have \d+ tokens"):
        list(pair[1].say("x " * 1024))
    with pytest.raises(ConfigError, match="1024 tokens together in this file"):
        kfine.Chat(exact.path, longest=1024, console=QUIET)


def model_in(path: Path) -> bytes:
    begin, end = load_exported(path, trusted=True).info["section"]
    return path.read_bytes()[begin:end]


def test_the_table_is_in_the_file_once(exact: Any, bundle: Any) -> None:
    from ai_edge_litert import schema_py_generated as schema

    for path, each in ((exact.path, 4), (bundle.path, 1)):
        root = schema.Model.GetRootAs(model_in(path), 0)
        sizes = [root.Buffers(number).DataLength() for number in range(root.BuffersLength())]
        assert Counter(sizes)[each * TABLE] == 1
        codes = [root.OperatorCodes(number) for number in range(root.OperatorCodesLength())]
        kinds = {one.BuiltinCode() for one in codes}
        assert schema.BuiltinOperator.CUSTOM not in kinds
        assert {
            schema.BuiltinOperator.EMBEDDING_LOOKUP,
            schema.BuiltinOperator.BATCH_MATMUL,
        } <= kinds
        assert not any(one.CustomCode() for one in codes)
    assert bundle.size_bytes < exact.size_bytes


def test_a_bundle_holds_programs_and_what_to_check_them_with(bundle: Any) -> None:
    folder = bundle.bundle
    names = {one.name for one in folder.iterdir()}
    assert names == {
        *("model.litertlm", "chat.py", "Chat.kt", "golden", "model_card.md", "report.json"),
        "sha256sum.txt",
    }
    assert bundle.quantize == "dynamic" and bundle.path == folder / "model.litertlm"
    (golden, *others) = json.loads((folder / "golden" / "golden.json").read_text())["examples"]
    assert len(others) == 1 and golden["prompt"]["text"].startswith("give ")
    card = (folder / "model_card.md").read_text()
    assert "perplexity of the replies wanted" in card and "chat.py" in card
    assert (folder.parent / "bundle-dynamic.zip").is_file()
    compile((folder / "chat.py").read_text(), "chat.py", "exec")


def test_googles_runtime_says_what_the_file_says(exact: Any, bundle: Any, tmp_path: Path) -> None:
    pytest.importorskip("litert_lm")
    shutil.copy(bundle.bundle / "chat.py", tmp_path)
    shutil.copy(exact.path, tmp_path / "model.litertlm")
    texts = ["give 1 tree", "give 2 dog"]
    file, expected = load_exported(exact.path), []
    vocabulary, prompt = file.input.vocabulary, []
    for text in texts:
        asked = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
        # The runtime goes on behind the tokens that it wrote, without the template's line break.
        prompt += vocabulary.encode(asked, special=True)
        said = list(file.write(prompt, 64))
        expected.append(vocabulary.decode(said).strip())
        prompt += [*said, *vocabulary.encode("<|im_end|>", special=True)]
    done = subprocess.run(
        [sys.executable, tmp_path / "chat.py"],
        input="\n".join(texts) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [line.strip() for line in done.stdout.splitlines()] == expected


def test_a_file_is_evaluated_and_read_back(bundle: Any, run: kfine.Run) -> None:
    metrics = kfine.evaluate(bundle.bundle, console=QUIET)
    assert metrics["model"]["kind"] == "litertlm"
    assert metrics["rouge_l"] == pytest.approx(bundle.verdict.exported)
    assert len(run.answer.names) == 0


@pytest.mark.slow
def test_four_bits_are_measured_and_kept_only_if_they_agree(run: kfine.Run) -> None:
    report = kfine.export(
        run, format="litertlm", quantize="int4", console=QUIET, allow_refused=True
    )
    assert report.verdict.passed == (
        report.verdict.agreement >= 0.95 and not report.verdict.reasons
    )
    assert report.path.name.endswith("litertlm") and report.told["places"] > 40


@pytest.mark.slow
def test_a_file_that_is_worse_is_refused(run: kfine.Run, exact: Any, tmp_path: Path) -> None:
    from kfine.exporting.measuring.told import ToldFile

    found = ToldFile(0.99, 100, 2.2, 2.0, 0.01, 50.0)
    (reason,) = found.reasons(0.05)
    assert "rises by 10.0% from 2.000 to 2.200, more than the 5.0% allowed" in reason
    assert not found.reasons(0.11) and not ToldFile(0.99, 100, 2.2, 2.0, 0.4, 50.0).reasons(0.05)
    with pytest.raises(GateRefused, match=r"it has 0\.\d+ MB, more than the 0\.06 MB allowed"):
        kfine.export(run, format="litertlm", quantize="none", max_size="60kB", console=QUIET)
    assert exact.path.is_file()


def test_damaged_files_are_refused(exact: Any, tmp_path: Path) -> None:
    content = exact.path.read_bytes()
    cases = {
        "cut": (content[: len(content) // 2], "carries no readable kfine.json"),
        "flipped": (content[:70_000] + b"\xff" + content[70_001:], "checksum does not match"),
        "other": (b"PK" + content[2:], "no LITERTLM identifier"),
    }
    for name, (changed, message) in cases.items():
        path = tmp_path / f"{name}.litertlm"
        path.write_bytes(changed)
        with pytest.raises(ExportError, match=message):
            load_exported(path)


def test_a_made_up_description_ends_in_a_sentence(exact: Any, tmp_path: Path) -> None:
    from kfine.answers.classes.classes import Classes
    from kfine.exporting.metadata.attached import attach_metadata

    file = load_exported(exact.path, trusted=True)
    whole = exact.path.read_bytes()[: file.info["section"][1]]
    for number, changed in enumerate(
        (
            {"section": [-5, 3]},
            {"section": "here"},
            {"section": [0, 4096]},
            {"answer": Classes(("a", "b")).to_dict()},
            {"input": {**file.info["input"], "longest": 1020}},
        )
    ):
        path = tmp_path / f"{number}.litertlm"
        path.write_bytes(whole)
        attach_metadata(path, (), {**file.info, **changed}, file.input.files())
        with pytest.raises(ExportError):
            load_exported(path)


def test_what_cannot_be_made_is_refused_before_anything_is_written(
    run: kfine.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    from kfine.exporting.formats.litertlm import check_fits

    with pytest.raises(ConfigError, match="litertlm takes quantize dynamic or none or int4: use"):
        kfine.export(run, quantize="float16", console=QUIET)
    with pytest.raises(ConfigError, match=r"phones as litertlm.* Received: onnx"):
        kfine.export(run, format="onnx", console=QUIET)
    with pytest.raises(ExportError, match=r"600 million weights, 2\.4 GB in float32"):
        check_fits(600_000_000)
    assert check_fits(1_000_000) == 42_000_000
    scarce = psutil.virtual_memory()._replace(available=10**9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: scarce)
    with pytest.raises(ExportError, match=r"takes about 5\.6 GB of memory, and 1\.0 GB are free"):
        check_fits(134_000_000)


def test_only_models_that_write_are_made_so_and_talked_with(tmp_path: Path) -> None:
    from kfine.answers.classes.classes import Classes
    from kfine.exporting.choices import misfits

    device = Classes(("a", "b")).device()
    words = misfits(None, device, "litertlm", "dynamic", "fixed")
    assert "for models that write text: use the format tflite" in words
    path = tmp_path / "model.tflite"
    path.write_bytes(b"....TFL3")
    with pytest.raises(ConfigError, match=r"chat talks with a run or a \.litertlm file"):
        kfine.Chat(path, console=QUIET)
