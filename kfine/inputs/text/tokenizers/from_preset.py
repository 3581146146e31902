"""A preset's tokenizer as the files that the standalone tokenizer reads."""

from __future__ import annotations

import json
import tempfile
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kfine.errors import PresetError, RunError
from kfine.inputs.text.tokenizers import standalone
from kfine.inputs.text.tokenizers.once import TokenizerOnce, memory_of
from kfine.presets import Preset, check_network
from kfine.runs.files import read_json

FORMAT, DESCRIPTION = "kfine-tokenizer-2", "tokenizer.json"
_HERE = Path(__file__).parent
_WORD_PIECE = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
_BYTE_PAIR = ("RobertaTokenizer", "BartTokenizer")
_SENTENCE_PIECE = (
    "AlbertTokenizer",
    "DebertaV3Tokenizer",
    "FNetTokenizer",
    "XLMRobertaTokenizer",
)
# Hugging Face's model_type -> the class that KerasHub reads such a folder with.
_MODEL_TYPES = {
    "albert": "AlbertTokenizer",
    "bart": "BartTokenizer",
    "bert": "BertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}
# Entries of the description that name files.
_FILE_KEYS = ("vocabulary", "merges", "model")
_SEGMENTS = ("BertTokenizer", "ElectraTokenizer", "AlbertTokenizer")


@dataclass(frozen=True)
class TokenizerFiles:
    """A tokenizer as files.

    Attributes:
        description: What goes into `tokenizer.json`.
        files: Name -> content of the vocabulary, merges or SentencePiece model.
    """

    description: dict[str, Any]
    files: dict[str, bytes]

    def with_sequence_length(self, sequence_length: int | None) -> TokenizerFiles:
        """The same for inputs of another length in tokens."""
        return replace(self, description={**self.description, "sequence_length": sequence_length})


def read_tokenizer(
    preset: Preset, sequence_length: int | None = None, *, accents: str = "auto"
) -> TokenizerFiles:
    """Describe the tokenizer of a preset.

    KerasHub's presets of uncased WordPiece encoders say that accents are kept, although the
    weights were pretrained without: every accented word would be unknown. So where a vocabulary
    of lower-case words has no piece with an accent, accents are stripped, as BERT's own
    tokenizer does where `do_lower_case` is true and `strip_accents` is not given
    (https://huggingface.co/docs/transformers/model_doc/bert#transformers.BertTokenizer).

    A local preset, of KerasHub or in Hugging Face's layout, is read without importing Keras or
    TensorFlow; one on the network is loaded through KerasHub.

    Args:
        preset: The preset; see `kfine.presets.find_preset`.
        sequence_length: Tokens of an input, instead of the preset's own setting.
        accents: `"strip"` drops the accents of what a WordPiece tokenizer is given, `"keep"` does
            not, and `"auto"` does as the checkpoint or its vocabulary says.

    Raises:
        PresetError: It has no tokenizer, a damaged one, or one of an unknown kind.
    """
    if preset.folder is None:
        files = _without_unknown_accents(_from_network(preset))
    elif (preset.folder / DESCRIPTION).is_file() and "class_name" in preset.read_json(DESCRIPTION):
        tokenizer = preset.read_json(DESCRIPTION)
        packing = preset.read_json("preprocessor.json").get("config", {})
        assets = preset.folder / "assets" / "tokenizer"
        kind, config = str(tokenizer["class_name"]), tokenizer.get("config", {})
        files = _without_unknown_accents(_describe(preset, kind, config, assets, packing))
    else:
        files = _from_hugging_face(preset, preset.folder)
    if accents != "auto":
        files = _stripping(files, accents == "strip")
    return files if sequence_length is None else files.with_sequence_length(sequence_length)


def write_tokenizer(files: TokenizerFiles, folder: Path) -> None:
    """Write `tokenizer.json` and the files that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(files.description, indent=2, ensure_ascii=False) + "\n"
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")
    for name, content in files.files.items():
        (folder / name).write_bytes(content)


def load_tokenizer(preset: Preset, sequence_length: int | None = None) -> TokenizerOnce:
    """The tokenizer of a preset: in plain Python, or KerasHub's for a SentencePiece model.

    Raises:
        PresetError: As `read_tokenizer`.
    """
    return usable(preset, read_tokenizer(preset, sequence_length))


def usable(preset: Preset, files: TokenizerFiles) -> TokenizerOnce:
    """As `tokenizer_of`, for the files of a preset.

    Raises:
        PresetError: They do not belong together.
    """
    try:
        return tokenizer_of(files)
    # A SentencePiece model that is none raises errors of TensorFlow's own.
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise PresetError(
            f"The tokenizer of the preset {preset.name!r} cannot be used: {reason}"
        ) from None


def read_files(folder: Path) -> TokenizerFiles:
    """Read what `write_tokenizer` wrote.

    Raises:
        RunError: A file is missing or damaged.
    """
    description = read_json(folder / DESCRIPTION)
    try:
        return files_of(description, lambda name: (folder / name).read_bytes())
    except (OSError, TypeError, ValueError) as error:
        raise RunError(f"The tokenizer in {folder} is damaged: {error}.") from None


def files_of(description: dict[str, Any], read: Callable[[str], bytes]) -> TokenizerFiles:
    """A description with the files that it names.

    Args:
        description: The content of `tokenizer.json`.
        read: Content of a file, by name.

    Raises:
        ValueError: It names a file in another folder.
    """
    names = [description[key] for key in _FILE_KEYS if key in description]
    for name in names:
        # The files of somebody else's model are written again under these names.
        if name in ("", ".", "..", DESCRIPTION) or set(name) & set("/\\:\0"):
            raise ValueError(f"{name!r} is no name of a tokenizer file")
    return TokenizerFiles(description, {name: read(name) for name in names})


def tokenizer_of(files: TokenizerFiles) -> TokenizerOnce:
    """The tokenizer of some files: in plain Python, or KerasHub's for a SentencePiece model.

    It does each text once in a process, whatever the length of the rows.

    Raises:
        ValueError: The files do not belong together.
    """
    return TokenizerOnce(memory_of(files, _plain), files.description["sequence_length"])


def _plain(files: TokenizerFiles) -> standalone.Tokenizer:
    if files.description["kind"] == "sentencepiece":
        from kfine.inputs.text.tokenizers.sentencepiece import SentencePiece

        return SentencePiece(files.description, files.files[files.description["model"]])
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(files, Path(folder))
        try:
            return standalone.load(folder)
        except ValueError as error:
            raise ValueError(str(error).replace(f"{folder}/", "")) from None


def _from_network(preset: Preset) -> TokenizerFiles:
    check_network(preset)
    import keras_hub

    try:
        tokenizer = keras_hub.models.Tokenizer.from_preset(preset.handle)
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise PresetError(
            f"The preset {preset.name!r} has no tokenizer that loads: {reason}"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_assets(folder)
        kind = type(tokenizer).__name__
        return _describe(preset, kind, tokenizer.get_config(), Path(folder), {})


def _from_hugging_face(preset: Preset, folder: Path) -> TokenizerFiles:
    settings = preset.read_json("tokenizer_config.json")
    model_type = str(preset.read_json("config.json").get("model_type", ""))
    kind = _MODEL_TYPES.get(model_type)
    if kind is None:
        raise PresetError(
            f"The preset {preset.name!r} has no tokenizer that kfine knows: it has no KerasHub "
            f"tokenizer.json, and its model_type {model_type!r} is none of "
            f"{', '.join(_MODEL_TYPES)}."
        )
    if kind == "BertTokenizer" and "XLMRoberta" in str(settings.get("tokenizer_class", "")):
        kind = "XLMRobertaTokenizer"
    normalizer = _bert_normalizer(preset.read_json(DESCRIPTION).get("normalizer"))
    lowercase = settings.get("do_lower_case", normalizer.get("lowercase"))
    strip = settings.get("strip_accents", normalizer.get("strip_accents"))
    split_cjk = settings.get("tokenize_chinese_chars", normalizer.get("handle_chinese_chars"))
    config = {
        "lowercase": lowercase,
        "strip_accents": lowercase if strip is None else strip,
        "split_on_cjk": split_cjk is not False,
    }
    return _describe(preset, kind, config, folder, {})


def _bert_normalizer(values: Any) -> Mapping[str, Any]:
    """What `tokenizer.json` says of case and accents, by itself or in a sequence."""
    if not isinstance(values, dict):
        return {}
    inner = values.get("normalizers") or ()
    found = [one for one in (values, *inner) if one.get("type") == "BertNormalizer"]
    return found[0] if found else {}


def _without_unknown_accents(files: TokenizerFiles) -> TokenizerFiles:
    """Tokenizer files of KerasHub, accents stripped where an uncased vocabulary has none."""
    description = files.description
    if not description.get("lowercase") or _has_accents(files.files[description["vocabulary"]]):
        return files
    return _stripping(files, True)


def _stripping(files: TokenizerFiles, strip: bool) -> TokenizerFiles:
    """The same, accents stripped or kept; only WordPiece tokenizers can strip them."""
    if files.description["kind"] != "wordpiece":
        return files
    return replace(files, description={**files.description, "strip_accents": strip})


def _has_accents(vocabulary: bytes) -> bool:
    """Whether a piece of a vocabulary has an accent: a mark of its own or in a letter."""
    text = unicodedata.normalize("NFD", vocabulary.decode("utf-8", "replace"))
    return any(unicodedata.category(one) == "Mn" for one in set(text))


def _describe(
    preset: Preset, kind: str, config: Mapping[str, Any], assets: Path, packing: Mapping[str, Any]
) -> TokenizerFiles:
    common = {
        "format": FORMAT,
        "kind": "wordpiece",
        "class": kind,
        "sequence_length": packing.get("sequence_length"),
        "truncate": packing.get("truncate", "round_robin"),
        "segment_ids": kind in _SEGMENTS,
    }
    if kind in _SENTENCE_PIECE:
        name, content = _asset(preset, assets, "vocabulary.spm", "spiece.model", "*.bpe.model")
        description = {**common, "kind": "sentencepiece", "model": name}
        return TokenizerFiles(description, {name: content})
    unicode = json.loads((_HERE / "unicode.json").read_text(encoding="utf-8"))
    if kind in _WORD_PIECE:
        name, content = _asset(preset, assets, "vocabulary.txt", "vocab.txt")
        rules = {"vocabulary": name, **_word_piece_rules(config), "unicode": unicode["wordpiece"]}
        return TokenizerFiles({**common, **rules}, {name: content})
    if kind in _BYTE_PAIR:
        name, content = _asset(preset, assets, "vocabulary.json", "vocab.json")
        merges, merges_content = _asset(preset, assets, "merges.txt")
        rules = {
            "kind": "bpe",
            "vocabulary": name,
            "merges": merges,
            **_byte_pair_rules(kind, config),
            "unicode": unicode["bpe"],
        }
        return TokenizerFiles({**common, **rules}, {name: content, merges: merges_content})
    known = ", ".join(_WORD_PIECE + _BYTE_PAIR + _SENTENCE_PIECE)
    raise PresetError(
        f"The preset {preset.name!r} has a {kind}, which kfine cannot write for a device; it "
        f"knows {known}."
    )


def _word_piece_rules(config: Mapping[str, Any]) -> dict[str, Any]:
    if not config.get("split", True):
        raise PresetError("A WordPiece tokenizer with split=False takes words, not texts.")
    specials = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", *(config.get("special_tokens") or [])]
    return {
        "lowercase": bool(config.get("lowercase", False)),
        "strip_accents": bool(config.get("strip_accents", False)),
        # KerasHub does not save this setting, so a preset that it loads always splits.
        "split_cjk": bool(config.get("split_on_cjk", True)),
        "suffix_indicator": config.get("suffix_indicator", "##"),
        "unknown_token": config.get("oov_token", "[UNK]"),
        "max_word_characters": 100,
        "special_tokens_in_text": specials if config.get("special_tokens_in_strings") else [],
        "start": ["[CLS]"],
        "separator": ["[SEP]"],
        "end": ["[SEP]"],
        "padding": "[PAD]",
    }


def _byte_pair_rules(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    found = ["<s>", "</s>", "<pad>", *(["<mask>"] if kind == "RobertaTokenizer" else [])]
    return {
        "split": "gpt2",
        "add_prefix_space": bool(config.get("add_prefix_space", False)),
        "special_tokens_in_text": sorted(config.get("unsplittable_tokens") or found),
        "start": ["<s>"],
        "separator": ["</s>", "</s>"],
        "end": ["</s>"],
        "padding": "<pad>",
    }


def _asset(preset: Preset, folder: Path, *patterns: str) -> tuple[str, bytes]:
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            return path.name, path.read_bytes()
    raise PresetError(
        f"The preset {preset.name!r} has no tokenizer file {' or '.join(patterns)} in {folder}."
    )
