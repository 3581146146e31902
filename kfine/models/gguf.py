"""GGUF files, as llama.cpp reads them, made into KerasHub presets.

See https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The optional package `gguf` reads
and dequantizes them; the preset is kept in the cache folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kfine.errors import PresetError
from kfine.presets import GGUF_FAMILIES, TEMPLATE, Preset, find_preset, gguf_folder, gguf_reader
from kfine.runs.files import whole_folder

# Kinds of tokens (gguf.TokenType): letters and words are normal.
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def unpacked(preset: Preset) -> Preset:
    """A preset that KerasHub reads: the same, or that of a GGUF file, made if it is not yet.

    Raises:
        PresetError: The file is damaged, or of a kind that is not known.
    """
    if preset.file is None or preset.folder is not None:
        return preset
    reader = gguf_reader(preset.file)
    try:
        made = _Gguf(reader)
        with whole_folder(gguf_folder(preset.file)) as folder:
            made.backbone().save_to_preset(folder)
            made.tokenizer().save_to_preset(folder)
            if template := made.value("tokenizer.chat_template", ""):
                (folder / TEMPLATE).write_text(template, encoding="utf-8")
            if license := made.value("general.license", ""):
                page = f"---\nlicense: {license}\n---\n"
                (folder / "README.md").write_text(page, encoding="utf-8")
    except (KeyError, ValueError, IndexError, NotImplementedError) as error:
        raise PresetError(f"{preset.name} cannot be made into a preset: {error}") from error
    return find_preset(preset.name)


class _Gguf:
    """What a file says.

    Args:
        reader: A `gguf.GGUFReader`.
    """

    def __init__(self, reader: Any) -> None:
        self._fields: Mapping[str, Any] = reader.fields
        self._tensors = {one.name: one for one in reader.tensors}
        self.family = str(self.value("general.architecture"))

    def value(self, name: str, otherwise: Any = None) -> Any:
        """A field.

        Raises:
            KeyError: There is none, and nothing is to stand for it.
        """
        if name not in self._fields:
            if otherwise is None:
                raise KeyError(f"it says no {name}")
            return otherwise
        return self._fields[name].contents()

    def of_family(self, name: str, otherwise: Any = None) -> Any:
        """A field of the model itself."""
        return self.value(f"{self.family}.{name}", otherwise)

    def weight(self, name: str) -> np.ndarray:
        """A tensor, float32, `(out, in)`."""
        from gguf import dequantize

        if name not in self._tensors:
            raise KeyError(f"it holds no {name}")
        found = self._tensors[name]
        return np.asarray(dequantize(found.data, found.tensor_type), np.float32)

    def backbone(self) -> Any:
        """KerasHub's backbone with its weights."""
        import keras_hub

        heads, width = self.of_family("attention.head_count"), self.of_family("embedding_length")
        size = self.of_family("attention.key_length", width // heads)
        table = self.weight("token_embd.weight")
        self._check(size, heads, width)
        options = {"head_dim": size} if self.family == "qwen3" else {}
        tied = "output.weight" not in self._tensors
        name = GGUF_FAMILIES[self.family]
        if tied and name == "Llama":
            # KerasHub's Llama forgets in a file that its table is tied; Qwen's is the same without
            # biases.
            name = "Qwen"
        found = getattr(keras_hub.models, f"{name}Backbone")(
            vocabulary_size=len(table),
            num_layers=self.of_family("block_count"),
            num_query_heads=heads,
            num_key_value_heads=self.of_family("attention.head_count_kv", heads),
            hidden_dim=width,
            intermediate_dim=self.of_family("feed_forward_length"),
            rope_max_wavelength=self.of_family("rope.freq_base", 10000.0),
            layer_norm_epsilon=self.of_family("attention.layer_norm_rms_epsilon"),
            tie_word_embeddings=tied,
            dtype="float32",
            **options,
        )
        found.token_embedding.embeddings.assign(table)
        if not tied:
            found.token_embedding.reverse_embeddings.assign(self.weight("output.weight").T)
        for number, block in enumerate(found.transformer_layers):
            self._fill(block, f"blk.{number}.")
        found.layer_norm.scale.assign(self.weight("output_norm.weight"))
        return found

    def _check(self, size: int, heads: int, width: int) -> None:
        scaled = self.of_family("rope.scaling.type", "none")
        if scaled != "none" or "rope_freqs.weight" in self._tensors:
            raise ValueError("its positions are scaled, which is not known for GGUF files")
        turned = self.of_family("rope.dimension_count", size)
        if turned != size or (self.family != "qwen3" and size * heads != width):
            raise ValueError(f"its heads of {size}, of which {turned} are turned, are not known")

    def _fill(self, block: Any, name: str) -> None:
        attention = block._self_attention_layer
        parts = {
            "q": attention._query_dense,
            "k": attention._key_dense,
            "v": attention._value_dense,
        }
        for key, dense in parts.items():
            rows = self.weight(f"{name}attn_{key}.weight")
            if self.family == "llama" and key != "v":
                rows = _halves(rows, dense.kernel.shape[1])
            dense.kernel.assign(rows.T.reshape(dense.kernel.shape))
            if dense.bias is not None and self.family == "qwen2":
                dense.bias.assign(self.weight(f"{name}attn_{key}.bias").reshape(dense.bias.shape))
        if self.family == "qwen3":
            for key in ("query", "key"):
                norm = getattr(attention, f"_{key}_dense_layer_norm")
                norm.scale.assign(self.weight(f"{name}attn_{key[0]}_norm.weight"))
        kernel = attention._output_dense.kernel
        kernel.assign(self.weight(f"{name}attn_output.weight").T.reshape(kernel.shape))
        for key, dense in (
            ("up", block._feedforward_intermediate_dense),
            ("gate", block._feedforward_gate_dense),
            ("down", block._feedforward_output_dense),
        ):
            dense.kernel.assign(self.weight(f"{name}ffn_{key}.weight").T)
        block._self_attention_layernorm.scale.assign(self.weight(f"{name}attn_norm.weight"))
        block._feedforward_layernorm.scale.assign(self.weight(f"{name}ffn_norm.weight"))

    def tokenizer(self) -> Any:
        """KerasHub's tokenizer of its tokens."""
        import keras_hub

        kind = self.value("tokenizer.ggml.model")
        tokens, types = (self.value(f"tokenizer.ggml.{one}") for one in ("tokens", "token_type"))
        if kind == "llama":
            return keras_hub.models.LlamaTokenizer(proto=self._pieces(tokens, types))
        if kind != "gpt2":
            raise ValueError(f"its tokenizer {kind!r} is of no kind that is known (llama, gpt2)")
        numbers = {token: number for number, token in enumerate(tokens)}
        merges = list(self.value("tokenizer.ggml.merges"))
        special = [token for token, one in zip(tokens, types, strict=True) if one != _NORMAL]
        if "<|end_of_text|>" in numbers:
            return keras_hub.models.Llama3Tokenizer(
                vocabulary=numbers, merges=merges, misc_special_tokens=set(special)
            )
        if "<|endoftext|>" in numbers:
            return keras_hub.models.QwenTokenizer(
                vocabulary=numbers, merges=merges, unsplittable_tokens=special
            )
        raise ValueError("its tokens have neither <|endoftext|> nor <|end_of_text|>")

    def _pieces(self, tokens: list[str], types: list[int]) -> bytes:
        """A SentencePiece model."""
        from sentencepiece import sentencepiece_model_pb2

        # Its classes are made when it is imported.
        pieces: Any = sentencepiece_model_pb2
        model = pieces.ModelProto()
        scores = self.value("tokenizer.ggml.scores")
        for token, score, kind in zip(tokens, scores, types, strict=True):
            model.pieces.add(piece=token, score=score, type=int(kind))
        spec = model.trainer_spec
        spec.model_type = pieces.TrainerSpec.BPE
        spec.byte_fallback = _BYTE in types
        spec.vocab_size = len(tokens)
        spec.unk_id = types.index(_UNKNOWN) if _UNKNOWN in types else 0
        spec.bos_id = self.value("tokenizer.ggml.bos_token_id", 1)
        spec.eos_id = self.value("tokenizer.ggml.eos_token_id", 2)
        model.normalizer_spec.name = "identity"
        spaced = bool(self.value("tokenizer.ggml.add_space_prefix", True))
        model.normalizer_spec.add_dummy_prefix = spaced
        model.normalizer_spec.remove_extra_whitespaces = False
        return bytes(model.SerializeToString())


def _halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key whose halves stand one after the other; llama.cpp mixes them."""
    parts = rows.reshape(heads, len(rows) // heads // 2, 2, rows.shape[1])
    return parts.swapaxes(1, 2).reshape(rows.shape)
