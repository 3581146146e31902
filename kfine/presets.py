"""Presets: where pretrained weights come from, checked before anything heavy is loaded."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfine.data.cache import PRESETS, cache_folder
from kfine.errors import MissingPackage, PresetError

SHIPPED = Path(__file__).parent / "models" / "shipped"
# What a plain Keras folder has in the place of KerasHub's `config.json`.
PLAIN = "model.json"
# KerasHub's backbones of causal language models that `kfine.models.language` was compared with.
# Their positions are rotary (https://arxiv.org/abs/2104.09864): what counts is how far tokens are
# apart, so that padding before a prompt makes no difference.
# Each with the `model_type` of Hugging Face's folders of it.
LANGUAGE_FAMILIES = {
    "Llama": "llama",
    "Llama3": "llama",
    "Mistral": "mistral",
    "Qwen": "qwen2",
    "Qwen3": "qwen3",
}
# The chat template in Jinja that lies beside a language model.
TEMPLATE = "chat_template.jinja"
# `general.architecture` of a GGUF file -> KerasHub's family.
GGUF_FAMILIES = {"llama": "Llama", "qwen2": "Qwen", "qwen3": "Qwen3"}
# Bytes at either end of a GGUF file that it is known again by.
_ENDS = 2**23
_HOSTS = {"hf://": "huggingface.co", "kaggle://": "www.kaggle.com"}


@dataclass(frozen=True)
class Preset:
    """Pretrained weights and where they are.

    Attributes:
        name: As the user wrote it.
        origin: `"ships"` with the package, a local `"folder"`, `"cached"`, `"network"`, or a
            `"gguf"` file.
        folder: The local folder, if there is one; of a GGUF file that which was made of it.
        file: The GGUF file.
    """

    name: str
    origin: str
    folder: Path | None
    file: Path | None = None

    @property
    def handle(self) -> str:
        """What KerasHub's `from_preset` takes."""
        return str(self.folder) if self.folder and self.origin != "cached" else self.name

    @property
    def plain(self) -> bool:
        """Whether it is a Keras model and its weights, with no class of KerasHub's."""
        folder = self.folder
        return folder is not None and (folder / PLAIN).is_file() and not _of_keras_hub(folder)

    @property
    def input_shape(self) -> tuple[int | None, ...] | None:
        """What a plain Keras folder takes, with the batch; `None` where it does not say."""
        for layer in self.read_json(PLAIN).get("config", {}).get("layers", []):
            if layer.get("class_name") == "InputLayer":
                shape = layer.get("config", {}).get("batch_shape")
                return tuple(shape) if shape else None
        return None

    @property
    def takes_spectrograms(self) -> bool:
        """Whether it is a plain Keras folder with the input `(batch, frames, bands)`."""
        return self.plain and len(self.input_shape or ()) == 3

    @property
    def is_whisper(self) -> bool:
        """Whether it is Whisper: by its class, or by its name where it is not on this machine."""
        if self.folder is None:
            return self.name.rpartition("/")[2].startswith("whisper")
        return self.read_json("config.json").get("class_name") == "WhisperBackbone"

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of a local preset; empty where there is none."""
        values = self._read(name)
        return values if isinstance(values, dict) else {}

    def read_json_list(self, name: str) -> list[Any]:
        """A JSON file of a local preset that holds a list; empty where there is none."""
        values = self._read(name)
        return values if isinstance(values, list) else []

    def license(self) -> str:
        """The licence of local weights in a line; empty where nothing beside them says it."""
        return "" if self.folder is None else stated_license(self.folder)

    def _read(self, name: str) -> Any:
        if self.folder is None or not (self.folder / name).is_file():
            return None
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PresetError(
                f"The preset file {self.folder / name} is damaged: {error}."
            ) from None


def license_of(preset: str) -> str:
    """The licence of a preset, or that it is not known; its folder may have gone since."""
    with suppress(PresetError):
        return find_preset(preset).license() or "not stated beside it"
    return "not known"


def stated_license(folder: Path) -> str:
    """The licence of what is in a folder in a line; empty where nothing in it says it.

    As the front matter of a README.md has it, as on Hugging Face, or else the title of a LICENSE
    file.
    """
    files = {file.name.upper(): file for file in sorted(folder.iterdir())}
    page = _text(files["README.MD"]) if "README.MD" in files else ""
    front = page.partition("\n---")[0] if page.startswith("---\n") else ""
    found = re.search(r"^license:[ \t]*(\S.*)$", front, re.MULTILINE)
    if found:
        return found[1].strip().strip("\"'")
    for name, file in files.items():
        if name.partition(".")[0] in ("LICENSE", "LICENCE"):
            lines = [line.strip() for line in _text(file).splitlines() if line.strip()]
            versioned = lines[1:] and "version" in lines[1].lower()
            return ", ".join(lines[: 2 if versioned else 1])
    return ""


def _of_keras_hub(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def _is_preset(folder: Path) -> bool:
    return _of_keras_hub(folder) or (folder / PLAIN).is_file()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def find_preset(name: str) -> Preset:
    """Find a preset by name, without the network and without importing Keras.

    Args:
        name: The name of a shipped preset, a local folder or GGUF file, `hf://...`,
            `kaggle://...`, or a KerasHub name.

    Raises:
        PresetError: A folder is missing or is no preset.
    """
    shipped = SHIPPED / name
    if name and _is_preset(shipped) and shipped.parent == SHIPPED:
        return Preset(name, "ships", shipped)
    if name.startswith(tuple(_HOSTS)):
        return _downloaded(name)
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        return _of_gguf(name, path.absolute())
    if path.is_dir():
        if not _is_preset(path):
            raise PresetError(
                f"The folder {name} is no preset: it has no config.json and no {PLAIN}. A preset "
                "is a folder made by save_to_preset(), or a Keras model with its weights; presets "
                f"that ship: {', '.join(shipped_names())}."
            )
        return Preset(name, "folder", path.resolve())
    if path.is_absolute() or name.startswith((".", "~")) or "/" in name or "\\" in name:
        raise PresetError(
            f"There is no preset folder {name}. Give an existing folder, hf://USER/NAME, "
            f"kaggle://..., a KerasHub name, or one that ships: {', '.join(shipped_names())}."
        )
    return _downloaded(name)


def _of_gguf(name: str, path: Path) -> Preset:
    try:
        with path.open("rb") as file:
            mark = file.read(4)
    except OSError as error:
        raise PresetError(f"The file {name} cannot be read: {error.strerror}") from None
    if mark != b"GGUF":
        raise PresetError(f"{name} is no GGUF file: it does not begin with GGUF")
    made = gguf_folder(path)
    return Preset(name, "gguf", made if _of_keras_hub(made) else None, path)


def gguf_folder(path: Path) -> Path:
    """Where the preset that is made of a GGUF file is kept: it is known by size and ends."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(0, size - _ENDS))
        digest.update(file.read())
    return cache_folder() / PRESETS / digest.hexdigest()[:32]


def gguf_reader(path: Path) -> Any:
    """The `gguf.GGUFReader` of a file of a known architecture.

    Raises:
        MissingPackage: The package gguf is not installed.
        PresetError: The file is damaged, or of another architecture.
    """
    if importlib.util.find_spec("gguf") is None:
        raise MissingPackage("GGUF files need the package gguf: pip install 'kfine[gguf]'.")
    from gguf import GGUFReader

    try:
        reader = GGUFReader(str(path))
        found = reader.fields["general.architecture"].contents()
    # It reads what is said where it is said to be.
    except (ValueError, IndexError, KeyError, OSError, OverflowError, UnicodeError) as error:
        raise PresetError(f"{path} is no whole GGUF file: {error}") from None
    if found not in GGUF_FAMILIES:
        raise PresetError(
            f"GGUF files of {', '.join(GGUF_FAMILIES)} can be fine-tuned. Received: {path.name}, "
            f"which is {found}"
        )
    return reader


def shipped_names(task: str = "ImageClassifier") -> list[str]:
    """Names of the presets in the package that a KerasHub task can be made of, its own first."""
    if not task.startswith(("Image", "Audio")):
        return []  # the only ones that ship are for images and sounds
    folders = sorted(one for one in SHIPPED.iterdir() if _is_preset(one))
    names = [one.name for one in sorted(folders, key=lambda one: not _of_keras_hub(one))]
    sounds = [name for name in names if find_preset(name).takes_spectrograms]
    images = [name for name in names if name not in sounds]
    return images if task.startswith("Image") else sounds + images


def hub_task(task: str) -> str:
    """The class of KerasHub whose presets fit a task.

    Sounds are heard as pictures of them, and for speech KerasHub has no task.
    """
    known = {"AudioClassifier": "ImageClassifier", "SpeechRecognizer": "WhisperBackbone"}
    return known.get(task, task)


def _downloaded(name: str) -> Preset:
    """A preset of a hub: in the folder where its client keeps what was downloaded, or not yet."""
    if name.startswith("hf://"):
        home = os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")
        root = Path(os.environ.get("HF_HUB_CACHE", Path(home) / "hub"))
        repository = _repository(name)[0].replace("/", "--")
        found = root.glob(f"models--{repository}/snapshots/*/config.json")
    else:
        root = Path(os.environ.get("KAGGLEHUB_CACHE", Path.home() / ".cache" / "kagglehub"))
        model = name.removeprefix("kaggle://").strip("/")
        known = model if name.startswith("kaggle://") else f"keras/*/keras/{model}"
        versions = "" if known.rpartition("/")[2].isdigit() else "*/"
        found = root.glob(f"models/{known}/{versions}config.json")
    folders = sorted(file.parent for file in found)
    return Preset(name, "cached", folders[-1]) if folders else Preset(name, "network", None)


def _repository(name: str) -> tuple[str, str | None]:
    """Repository and revision of a name that begins with `hf://`."""
    repository, _, revision = name.removeprefix("hf://").partition("@")
    return repository.strip("/"), revision.strip("/") or None


def fetch_beside(preset: Preset, names: Sequence[str]) -> Preset:
    """Download further files of a preset that is about to be downloaded from Hugging Face.

    KerasHub takes what its own task needs, and the repository says more. A file that is not there
    is passed over.

    Args:
        preset: The preset; any but one that only the network has stays as it is.
        names: The files.

    Returns:
        The preset, with the folder that the files are in.
    """
    if preset.origin != "network" or not preset.name.startswith("hf://"):
        return preset
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    repository, revision = _repository(preset.name)
    for name in ["config.json", "README.md", *names]:
        with suppress(HfHubHTTPError, OSError):
            hf_hub_download(repository, name, revision=revision)
    return find_preset(preset.name)


def check_network(preset: Preset, task: str = "ImageClassifier") -> None:
    """Fail at once where a preset must be downloaded and its host cannot be reached.

    Args:
        preset: The preset.
        task: What it is wanted for, a KerasHub task class.

    Raises:
        PresetError: With the choices that need no network.
    """
    if preset.origin != "network" or any(os.environ.get(k) for k in ("https_proxy", "HTTPS_PROXY")):
        return
    scheme = next((one for one in _HOSTS if preset.name.startswith(one)), "kaggle://")
    try:
        with socket.create_connection((_HOSTS[scheme], 443), timeout=3):
            return
    except OSError:
        raise PresetError(
            f"The preset {preset.name!r} is not on this machine and {_HOSTS[scheme]} cannot be "
            f"reached; without the network use {' or '.join([*shipped_names(task), ''])}a local "
            "preset folder."
        ) from None


def local_image_size(preset: Preset) -> int | None:
    """The size in pixels that a local preset was trained at, if it says so."""
    size = converter_config(preset).get("image_size")
    return int(size[0]) if size else None


def converter_config(preset: Preset) -> dict[str, Any]:
    """Settings of the image converter of a local preset; empty where it has none."""
    if preset.plain:
        said = preset.read_json("preset.json")
        size = said.get("image_size")
        return {**said, "image_size": [size, size]} if isinstance(size, int) else said
    converter = preset.read_json("image_converter.json")
    if not converter:
        preprocessor = preset.read_json("preprocessor.json").get("config", {})
        converter = preprocessor.get("image_converter") or {}
    config = converter.get("config", {})
    return config if isinstance(config, dict) else {}
