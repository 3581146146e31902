"""GGUF files: the weights that KerasHub gets from them, tokenizer and template, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import PresetError
from kfine.inputs.prompt import check_language_preset
from kfine.presets import GGUF_FAMILIES, find_preset

pytestmark = pytest.mark.keras
gguf = pytest.importorskip("gguf")

TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    *"abcdefgh",
    "ab",
    "abc",
    "\u0120",
    "\u010a",
]
MERGES = ["a b", "ab c"]
TEMPLATE = "{% for message in messages %}[{{ message.content }}]{% endfor %}"
HEADS, KEYS, WIDTH, BLOCKS = 4, 2, 32, 2


@pytest.fixture(scope="module", autouse=True)
def imports(needs_keras: None) -> None:
    global keras_hub, language_backbone, prompt_of_preset, unpacked
    import keras_hub

    from kfine.inputs.prompt import prompt_of_preset
    from kfine.models.gguf import unpacked
    from kfine.models.language import language_backbone


def backbone_of(family: str, tied: bool) -> Any:
    found = getattr(keras_hub.models, f"{GGUF_FAMILIES[family]}Backbone")(
        vocabulary_size=len(TOKENS),
        num_layers=BLOCKS,
        num_query_heads=HEADS,
        num_key_value_heads=KEYS,
        hidden_dim=WIDTH,
        intermediate_dim=64,
        rope_max_wavelength=700.0,
        layer_norm_epsilon=1e-5,
        tie_word_embeddings=tied,
        **({"head_dim": 16} if family == "qwen3" else {}),
    )
    drawn = np.random.default_rng(2)
    for variable in found.weights:
        variable.assign(drawn.normal(size=variable.shape) * 0.3)
    return found


def mixed(rows: np.ndarray, heads: int) -> np.ndarray:
    """As llama.cpp has queries and keys of a Llama: halves are taken in turn."""
    parts = rows.reshape(heads, 2, len(rows) // heads // 2, rows.shape[1])
    return np.ascontiguousarray(parts.swapaxes(1, 2).reshape(rows.shape))


def tensors_of(backbone: Any, family: str) -> dict[str, np.ndarray]:
    def out_in(kernel: Any, inputs: int = 1) -> np.ndarray:
        values = np.asarray(kernel)
        return np.ascontiguousarray(values.reshape(int(np.prod(values.shape[:inputs])), -1).T)

    embedding = backbone.token_embedding
    found = {
        "token_embd.weight": np.asarray(embedding.embeddings),
        "output_norm.weight": np.asarray(backbone.layer_norm.scale),
    }
    if not embedding.tie_weights:
        found["output.weight"] = out_in(embedding.reverse_embeddings)
    for number, block in enumerate(backbone.transformer_layers):
        attention, name = block._self_attention_layer, f"blk.{number}."
        asked = {
            "q": attention._query_dense,
            "k": attention._key_dense,
            "v": attention._value_dense,
        }
        for key, dense in asked.items():
            rows = out_in(dense.kernel)
            mixes = family == "llama" and key != "v"
            found[f"{name}attn_{key}.weight"] = (
                mixed(rows, dense.kernel.shape[1]) if mixes else rows
            )
            if dense.bias is not None:
                found[f"{name}attn_{key}.bias"] = np.ravel(dense.bias)
        if family == "qwen3":
            for key, norm in (
                ("q", attention._query_dense_layer_norm),
                ("k", attention._key_dense_layer_norm),
            ):
                found[f"{name}attn_{key}_norm.weight"] = np.asarray(norm.scale)
        found[f"{name}attn_output.weight"] = out_in(attention._output_dense.kernel, 2)
        for key, dense in (
            ("up", block._feedforward_intermediate_dense),
            ("gate", block._feedforward_gate_dense),
            ("down", block._feedforward_output_dense),
        ):
            found[f"{name}ffn_{key}.weight"] = out_in(dense.kernel)
        found[f"{name}attn_norm.weight"] = np.asarray(block._self_attention_layernorm.scale)
        found[f"{name}ffn_norm.weight"] = np.asarray(block._feedforward_layernorm.scale)
    return found


def write(path: Path, family: str, tensors: dict[str, np.ndarray], *more: Any) -> Path:
    writer = gguf.GGUFWriter(str(path), family)
    writer.add_block_count(BLOCKS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(64)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(700.0)
    if family == "qwen3":
        writer.add_key_length(16)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3, *[1] * (len(TOKENS) - 3)])
    writer.add_token_merges(MERGES)
    writer.add_chat_template(TEMPLATE)
    writer.add_license("apache-2.0")
    for call in more:
        call(writer)
    for name, values in tensors.items():
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("family", "tied"), [("llama", False), ("qwen2", True), ("qwen2", False), ("qwen3", True)]
)
def test_the_weights_are_those_of_the_file(family: str, tied: bool, tmp_path: Path) -> None:
    backbone = backbone_of(family, tied)
    path = write(tmp_path / "model.gguf", family, tensors_of(backbone, family))
    preset = find_preset(str(path))
    check_language_preset(preset)
    assert (preset.origin, preset.folder) == ("gguf", None)
    made = unpacked(preset)
    found = language_backbone(made.handle)
    given = {"token_ids": np.array([[3, 5, 11, 4, 7]]), "padding_mask": np.ones((1, 5), "int32")}
    logits = [one.token_embedding(one(given), reverse=True) for one in (found, backbone)]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)
    # It is made once.
    assert unpacked(find_preset(str(path))) == made == unpacked(made)


def test_a_tied_llama_is_kept_as_one_table(tmp_path: Path) -> None:
    backbone = backbone_of("llama", True)
    made = unpacked(
        find_preset(str(write(tmp_path / "tied.gguf", "llama", tensors_of(backbone, "llama"))))
    )
    found = language_backbone(made.handle)
    assert found.token_embedding.tie_weights
    given = {"token_ids": np.array([[3, 5, 11]]), "padding_mask": np.ones((1, 3), "int32")}
    logits = [one.token_embedding(one(given), reverse=True) for one in (found, backbone)]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)


def test_tokens_and_template_come_from_the_file(tmp_path: Path) -> None:
    tensors = tensors_of(backbone_of("qwen2", True), "qwen2")
    preset = unpacked(find_preset(str(write(tmp_path / "words.gguf", "qwen2", tensors))))
    assert preset.license() == "apache-2.0"
    prompt, decisions = prompt_of_preset(preset, "auto", ["abcab"], None)
    assert decisions["template"] == "the model's own"
    assert prompt.template.source == TEMPLATE
    assert prompt.vocabulary.encode("abcab") == [TOKENS.index("abc"), TOKENS.index("ab")]
    assert prompt.vocabulary.encode("<|im_end|>", special=True) == [2]
    assert prompt.vocabulary.decode([12, 2]) == "abc"


# KerasHub leaves the file of the tokenizer open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_sentencepiece_tokens_are_read(tmp_path: Path) -> None:
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{number:02X}>", 0.0, 6) for number in range(256)]
    pieces += [("\u2581a", -1.0, 1), ("\u2581", -2.0, 1), ("a", -3.0, 1), ("b", -4.0, 1)]
    pieces += [("ab", -0.5, 1)]

    def words(writer: Any) -> None:
        for name in ("tokens", "token_type", "merges", "model"):
            writer.kv_data[0].pop(f"tokenizer.ggml.{name}")
        writer.add_tokenizer_model("llama")
        tokens, scores, types = zip(*pieces, strict=True)
        writer.add_token_list(tokens)
        writer.add_token_scores(scores)
        writer.add_token_types(types)

    tensors = tensors_of(backbone_of("llama", False), "llama")
    preset = unpacked(find_preset(str(write(tmp_path / "pieces.gguf", "llama", tensors, words))))
    prompt, _ = prompt_of_preset(preset, "auto", ["ab"], None)
    names = [name for name, _, _ in pieces]
    encoded = prompt.vocabulary.encode("a bab")
    assert [names[one] for one in encoded] == ["\u2581a", "\u2581", "b", "ab"]
    assert prompt.vocabulary.decode(prompt.vocabulary.encode("a\u00e9b")) == "a\u00e9b"
    assert (prompt.vocabulary.start, prompt.vocabulary.end) == ("<s>", "</s>")


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    tensors = tensors_of(backbone_of("qwen2", True), "qwen2")
    other = find_preset(str(write(tmp_path / "other.gguf", "gemma3", tensors)))
    with pytest.raises(
        PresetError, match=r"of llama, qwen2, qwen3 can be .*other\.gguf, which is gemma3"
    ):
        check_language_preset(other)
    scaled = write(
        tmp_path / "scaled.gguf",
        "qwen2",
        tensors,
        lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.YARN),
    )
    with pytest.raises(PresetError, match="positions are scaled"):
        unpacked(find_preset(str(scaled)))
    missing = {name: one for name, one in tensors.items() if "ffn_up" not in name}
    lacking = write(tmp_path / "lacking.gguf", "qwen2", missing)
    with pytest.raises(PresetError, match=r"holds no blk\.0\.ffn_up\.weight"):
        unpacked(find_preset(str(lacking)))
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(scaled.read_bytes()[:500])
    with pytest.raises(PresetError, match="no whole GGUF file"):
        check_language_preset(find_preset(str(cut)))
    (tmp_path / "text.gguf").write_text("hello")
    for name, message in (("text.gguf", "does not begin with GGUF"), ("no.gguf", "No such file")):
        with pytest.raises(PresetError, match=message):
            find_preset(str(tmp_path / name))
