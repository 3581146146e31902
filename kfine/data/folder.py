"""Images in one folder per class, with or without folders for the splits above."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kfine.data.files import format_of, is_clutter
from kfine.data.records import Record, SetAside, Source, printable, split_named
from kfine.data.tables import SUFFIXES
from kfine.errors import DataError

# A lone folder with the name of a split and more folders than these beside it is a class.
MOST_BESIDE = 1


@dataclass(frozen=True)
class FolderKind:
    """What a folder is expected to hold, for messages.

    Attributes:
        noun: `image`.
        layout: What to do if it does not.
        looks_right: Whether a file is one of these, at a glance.
    """

    noun: str
    layout: str
    looks_right: Callable[[Path], bool]


def read_folder(root: Path, kind: FolderKind | None = None) -> Source:
    """List the examples of a folder of class folders; of images, if no kind is given.

    `ROOT/class/**/file`, or `ROOT/split/class/**/file` if a folder named after a split (train,
    validation, val, valid, test) holds folders. Every file in a class folder counts, whatever
    its ending: those that are no images are found when they are decoded. Hidden files and what
    systems leave behind (`is_clutter`) are passed over. Files outside class folders are ignored,
    with a warning if they are of the kind.

    Raises:
        DataError: The folder cannot be read, or holds no class folders.
    """
    kind = kind or IMAGES
    listing = _Listing(root, kind)
    folders, loose = listing.entries(root)
    splits = [folder for folder in folders if split_named(folder.name)]
    if len(splits) == 1 and len(folders) > MOST_BESIDE + 1 and _has_folders(splits[0]):
        lone = splits.pop()
        listing.warnings.append(
            f"the folder {printable(lone.name)} is taken for a class, like the {len(folders) - 1} "
            f"folders beside it: give {lone} if it holds the classes"
        )
    if any(_has_folders(folder) for folder in splits):
        listing.warn_loose(root, loose)
        for folder in folders:
            if folder in splits:
                classes, files = listing.entries(folder)
                listing.warn_loose(folder, files)
                listing.add_classes(classes, split_named(folder.name))
            else:
                listing.warn_beside(folder, splits)
    elif not folders:
        raise DataError(_no_folders(root, loose, kind))
    else:
        listing.warn_loose(root, loose)
        _refuse_wrapping(root, folders)
        listing.add_classes(folders, None)
    return listing.source()


class _Listing:
    """Collects what is found below a root."""

    def __init__(self, root: Path, kind: FolderKind) -> None:
        self.root = root
        self.kind = kind
        self.records: list[Record] = []
        self.set_aside: list[SetAside] = []
        self.warnings: list[str] = []
        self.empty: dict[str, Path] = {}

    def name(self, path: Path) -> str:
        return printable(path.relative_to(self.root).as_posix())

    def entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Folders and files directly in a folder, sorted, without clutter."""
        folders: list[Path] = []
        files: list[Path] = []
        try:
            for path in sorted(folder.iterdir()):
                if not is_clutter(path.name):
                    (folders if path.is_dir() else files).append(path)
        except OSError as error:
            if folder == self.root:
                raise DataError(f"{folder} cannot be read: {error.strerror}") from None
            reason = f"folder cannot be read ({error.strerror})"
            self.set_aside.append(SetAside(self.name(folder), self._split(folder), reason))
        return folders, files

    def _split(self, folder: Path) -> str | None:
        parts = folder.relative_to(self.root).parts
        return split_named(parts[0]) if len(parts) > 1 else None

    def add_classes(self, folders: list[Path], split: str | None) -> None:
        for folder in folders:
            label = printable(folder.name)
            before = len(self.records) + len(self.set_aside)
            for path in self._below(folder, frozenset()):
                reason = _unusable(path)
                if reason:
                    self.set_aside.append(SetAside(self.name(path), split, reason))
                else:
                    self.records.append(Record(self.name(path), label, split, path))
            if len(self.records) + len(self.set_aside) == before:
                self.empty[label] = folder

    def _below(self, folder: Path, above: frozenset[str]) -> Iterator[Path]:
        real = os.path.realpath(folder)
        if real in above:  # A link to a folder that it lies in.
            return
        folders, files = self.entries(folder)
        yield from files
        for deeper in folders:
            yield from self._below(deeper, above | {real})

    def warn_loose(self, folder: Path, files: list[Path]) -> None:
        found = [path for path in files if self.kind.looks_right(path)]
        if found:
            self.warnings.append(
                f"{_count(len(found), self.kind.noun)} directly in {folder}, in no class folder, "
                f"ignored (such as {printable(found[0].name)})"
            )

    def warn_beside(self, folder: Path, splits: list[Path]) -> None:
        files = sum(1 for _ in self._below(folder, frozenset()))
        if files:
            beside = ", ".join(path.name for path in splits)
            self.warnings.append(
                f"the folder {printable(folder.name)} with {_count(files, 'file')} lies beside "
                f"the splits ({beside}) and is ignored"
            )

    def source(self) -> Source:
        used = {record.label for record in self.records}
        for label, folder in self.empty.items():
            if label not in used:
                self.warnings.append(f"the class folder {self.name(folder)} is empty and ignored")
        if not self.records:
            raise DataError(f"no {self.kind.noun}s in {self.root}: {self.kind.layout}")
        records = sorted(self.records, key=lambda record: record.name)
        return Source(
            "folder", self.root, tuple(records), tuple(self.set_aside), tuple(self.warnings)
        )


def _has_folders(folder: Path) -> bool:
    try:
        return any(path.is_dir() and not is_clutter(path.name) for path in folder.iterdir())
    except OSError:
        return False


def _refuse_wrapping(root: Path, folders: list[Path]) -> None:
    """An unpacked archive often has one folder more than expected."""
    if len(folders) == 1 and _has_folders(folders[0]):
        raise DataError(
            f"{root} holds only one folder, {folders[0].name}, which holds folders itself: "
            f"give {folders[0]} if these are the classes"
        )


def _no_folders(root: Path, loose: list[Path], kind: FolderKind) -> str:
    found = sum(kind.looks_right(path) for path in loose)
    if found:
        return f"{root} holds {_count(found, kind.noun)} but no class folders: {kind.layout}"
    tables = [path for path in loose if path.suffix.lower() in SUFFIXES]
    if tables:
        return f"{root} holds no class folders: give {tables[0]} if that lists the {kind.noun}s"
    state = f"holds no {kind.noun}s and no class folders" if loose else "is empty"
    return f"the folder {root} {state}: {kind.layout}"


def _unusable(path: Path) -> str | None:
    """Why a file cannot be an example, as far as the file system knows."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "link to a missing file"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if stat.S_ISREG(mode) else "not a regular file"


def _looks_like_image(path: Path) -> bool:
    if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp"):
        return True
    if _unusable(path):
        return False
    try:
        with path.open("rb") as file:
            return format_of(file.read(16)) is not None
    except OSError:
        return False


IMAGES = FolderKind(
    noun="image",
    layout="put the images in one folder per class, such as ROOT/cat/1.jpg and ROOT/dog/2.jpg",
    looks_right=_looks_like_image,
)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
