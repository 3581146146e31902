"""Prompts: templates, tokens, what is cut, and what a file says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.console import Console
from kfine.errors import ConfigError, DataError
from kfine.inputs import Request
from kfine.inputs.prompt.conversation import Conversation, Message
from kfine.inputs.prompt.prompt import Prompt
from kfine.inputs.prompt.template import Template, template_of
from kfine.inputs.prompt.vocabulary import PIECES, Vocabulary
from kfine.presets import find_preset

pytestmark = pytest.mark.keras

CHAT = [Message("system", "Be kind."), Message("user", "Hi")]


@pytest.fixture(scope="module", autouse=True)
def imports(needs_keras: None) -> None:
    pass


@pytest.fixture(scope="module")
def prompt(tiny_language_preset: str) -> Prompt:
    from kfine.inputs.prompt import prompt_of_preset

    preset = find_preset(tiny_language_preset)
    found, decisions = prompt_of_preset(preset, "auto", [Conversation((CHAT[1],))], 64)
    assert decisions["template"] == "ChatML"
    return found


def test_numbers_are_those_of_kerashub(prompt: Prompt, tiny_language_preset: str) -> None:
    import keras_hub

    tokenizer = keras_hub.models.Tokenizer.from_preset(tiny_language_preset)
    for text in ("the ball", "Größe 5 €", "<|im_start|>user\nHi<|im_end|>\n", "  x\n\ny"):
        assert prompt.vocabulary.encode(text, special=True) == list(map(int, tokenizer(text)))


def test_what_looks_like_a_token_with_a_meaning_is_text_in_a_reply(prompt: Prompt) -> None:
    plain = prompt.vocabulary.encode("<|im_end|>")
    assert len(plain) > 1 and prompt.vocabulary.number("<|im_end|>") not in plain
    assert prompt.vocabulary.decode(plain) == "<|im_end|>"
    assert prompt.vocabulary.decode([*plain, prompt.vocabulary.number("<|im_end|>"), 10**6]) == (
        "<|im_end|>"
    )


def test_messages_are_written_as_the_model_knows_them(prompt: Prompt) -> None:
    text = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    assert prompt.template.render(CHAT) == f"{text}<|im_start|>assistant\n"
    assert prompt.template.render(CHAT, asks=False) == text
    ends = [prompt.vocabulary.number(one) for one in ("<|im_end|>", "<|endoftext|>")]
    assert prompt.template.ends(prompt.vocabulary) == tuple(ends)


def test_a_template_comes_from_the_preset_or_from_a_file(
    prompt: Prompt, tiny_language_preset: str, tmp_path: Path
) -> None:
    own = "{% for m in messages %}[{{ m['content'] }}]<|endoftext|>{% endfor %}"
    found = template_of("auto", own, prompt.vocabulary, None)
    assert found.name == "the model's own" and found.render(CHAT).startswith("[Be kind.]<|end")
    assert found.ends(prompt.vocabulary)[0] != prompt.vocabulary.number("<|im_end|>")
    read: Callable[[str], str] = lambda name: own  # noqa: E731
    assert template_of("mine.jinja", None, prompt.vocabulary, read).source == own
    plain = template_of("plain", own, prompt.vocabulary, None)
    assert plain.plain and plain.render(CHAT) == "Be kind.\nHi\n"
    for wrong, words in (
        ("{{ nothing(", "cannot write messages"),
        ("hello", "leaves out what a user says"),
        ("{{ raise_exception('only user') }}", "only user"),
        # A template comes with a model, and must not reach out of its sandbox.
        ("{{ messages.__class__.__mro__ }}{{ messages[0].content }}", "cannot write messages"),
    ):
        with pytest.raises(ConfigError, match=words):
            template_of("auto", wrong, prompt.vocabulary, None)


def test_roles_need_a_template(tiny_language_preset: str) -> None:
    from kfine.inputs.prompt import prompt_of_preset

    preset = find_preset(tiny_language_preset)
    with pytest.raises(ConfigError, match="give the columns prompt,completion"):
        prompt_of_preset(preset, "plain", [Conversation(tuple(CHAT))], None)


def test_short_prompts_have_nothing_before_them(prompt: Prompt) -> None:
    encoded = prompt.encode(["Hi", Conversation(tuple(CHAT))])
    assert encoded.rows.shape == (2, 64) and encoded.rows.dtype == np.int32
    for row, used in zip(encoded.rows, encoded.lengths.used, strict=True):  # type: ignore[union-attr]
        assert (row[: 64 - used] == -1).all() and (row[64 - used :] >= 0).all()
    trimmed = encoded.lengths.trim(encoded.rows[:1], [0])  # type: ignore[union-attr]
    assert np.array(trimmed)[0].tolist() == encoded.rows[0, -trimmed.shape[1] :].tolist()
    with pytest.raises(DataError, match="must be a str"):
        prompt.encode([3])


def test_the_longest_message_is_cut(prompt: Prompt) -> None:
    long = Conversation((Message("system", "Be kind."), Message("user", "x" * 500)))
    (row,) = prompt.encode([long]).rows
    text = prompt.vocabulary.decode(row.tolist())
    assert "Be kind." in text and text.rstrip().endswith("assistant")
    assert "x" * 10 in text and "x" * 60 not in text
    assert prompt.cut([long, "Hi"]) == [0]


def test_plain_text_begins_with_what_texts_follow_on(prompt: Prompt) -> None:
    assert prompt.tokens(Conversation(())) == [prompt.vocabulary.number("<|endoftext|>")]


def test_what_it_says_of_itself_is_read_back(prompt: Prompt) -> None:
    files = prompt.files()
    again = Prompt.load(prompt.to_dict(), files.__getitem__)
    np.testing.assert_array_equal(again.encode(["Hi"]).rows, prompt.encode(["Hi"]).rows)
    assert again.template.render(CHAT) == prompt.template.render(CHAT)
    wrong: dict[str, Any]
    for wrong in ({"longest": 0}, {"tokenizer": "x"}, {"tokenizer_sha256": "0"}):
        with pytest.raises(ValueError, match="tokenizer"):
            Prompt.load({**prompt.to_dict(), **wrong}, files.__getitem__)


def test_documents_are_asked_about_as_they_were_learned(prompt: Prompt, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text('{"document": "a long text"}')
    mine = replace(prompt, instruction="In short:")
    for one, expected in (
        (mine, "In short:\n\na long text"),
        (Prompt.load(mine.to_dict(), mine.files().__getitem__), "In short:\n\na long text"),
        (prompt, "Summarize the following text.\n\na long text"),
    ):
        ((_, examples),) = one.requested(Request([tmp_path / "new.jsonl"])).read(Console())
        assert examples[0].messages == (Message("user", expected),)


def test_sentencepiece_reads_its_marks_where_they_are_meant(tmp_path: Path) -> None:
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["the ball is red", "the dog is big"] * 20),
        model_writer=model,
        vocab_size=30,
        model_type="bpe",
        bos_id=1,
        eos_id=2,
        pad_id=3,
    )
    vocabulary = Vocabulary(PIECES, model.getvalue(), "<s>", "</s>")
    assert vocabulary.encode("<s>the ball</s>", special=True)[:1] == [1]
    assert 2 not in vocabulary.encode("the ball</s>")
    numbers = vocabulary.encode("the ball", special=True)
    assert vocabulary.decode([1, *numbers, 2]) == "the ball"
    assert vocabulary.knows("<s>") and not vocabulary.knows("<|im_start|>")
    plain = Prompt(vocabulary, Template("plain", "{{ messages[0].content }}"), 8)
    assert plain.tokens("the ball")[0] == 1


def test_a_folder_of_hugging_face_brings_its_own_template(tmp_path: Path) -> None:
    """Llama's layout with random weights: what the hub has of SmolLM2 and its kin."""
    import json

    import keras_hub
    from safetensors.numpy import save_file

    from kfine.inputs.prompt import check_language_preset, prompt_of_preset
    from kfine.models.language import language_backbone, language_model

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    read = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(one) for one in read] + [chr(256 + place) for place in range(256 - len(read))]
    vocabulary = {token: number for number, token in enumerate([*special, *letters, "ba"])}
    added = [{"id": vocabulary[one], "content": one, "special": True} for one in special]
    turn = "{{ '<|im_start|>' + m.role + ': ' + m.content }}<|im_end|>"
    own = f"{{% for m in messages %}}{turn}{{% endfor %}}"
    contents = {
        "config.json": {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "vocab_size": len(vocabulary),
            "hidden_size": 8,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "rms_norm_eps": 1e-5,
            "rope_theta": 1000,
            "tie_word_embeddings": True,
        },
        "tokenizer.json": {
            "model": {"vocab": vocabulary, "merges": ["b a"]},
            "added_tokens": added,
        },
        "tokenizer_config.json": {
            "bos_token": "<|im_start|>",
            "eos_token": "<|im_end|>",
            "chat_template": own,
        },
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    drawn = np.random.default_rng(0)
    layer = "model.layers.0."
    shapes = {
        "model.embed_tokens.weight": (len(vocabulary), 8),
        "model.norm.weight": (8,),
        f"{layer}input_layernorm.weight": (8,),
        f"{layer}post_attention_layernorm.weight": (8,),
        f"{layer}self_attn.q_proj.weight": (8, 8),
        f"{layer}self_attn.k_proj.weight": (4, 8),
        f"{layer}self_attn.v_proj.weight": (4, 8),
        f"{layer}self_attn.o_proj.weight": (8, 8),
        f"{layer}mlp.gate_proj.weight": (16, 8),
        f"{layer}mlp.up_proj.weight": (16, 8),
        f"{layer}mlp.down_proj.weight": (8, 16),
    }
    weights = {name: drawn.normal(size=one).astype("float32") for name, one in shapes.items()}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})

    preset = find_preset(str(tmp_path))
    check_language_preset(preset)
    prompt, decisions = prompt_of_preset(preset, "auto", [Conversation(tuple(CHAT))], None)
    assert decisions["template"] == "the model's own"
    assert prompt.template.render(CHAT[1:]) == "<|im_start|>user: Hi<|im_end|>"
    assert prompt.template.ends(prompt.vocabulary) == (2,)
    backbone = language_backbone(preset.handle)
    assert isinstance(backbone, keras_hub.models.Llama3Backbone)
    encoded = prompt.encode([Conversation(tuple(CHAT))])
    logits = language_model(backbone)(
        {"prompt_ids": encoded.rows, "reply_ids": np.array([[5, 6, 2]])}
    )
    assert logits.shape == (1, 3, len(vocabulary))
