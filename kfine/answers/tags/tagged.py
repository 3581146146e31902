"""Sentences whose tokens carry tags, from CoNLL and JSONL files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kfine.answers.tags.bio import find_entities, to_bio
from kfine.answers.tags.tag_lines import RawSentence, read_conll, read_jsonl
from kfine.data.files import ignored_warnings, is_unicode, split_files
from kfine.data.records import SetAside, printable
from kfine.data.sources import existing_path
from kfine.errors import DataError
from kfine.inputs.text.examples import TaggedText

JSON_SUFFIXES = (".jsonl", ".ndjson")
CONLL_SUFFIXES = (".conll", ".bio", ".iob", ".iob2", ".tsv", ".txt")
_WANTED = "a .conll or .jsonl file, or a folder with train.conll, validation.conll, test.conll"


@dataclass(frozen=True)
class TaggedSource:
    """What a source of tagged sentences holds.

    Attributes:
        kind: `conll`, `jsonl`, or `conll and jsonl`.
        root: The folder that the files lie in.
        sentences: By split (train, validation, test), each in the order of its file.
        set_aside: Sentences that cannot be used, and why.
        warnings: Sentences on what looks wrong.
        notes: Sentences on how the tags were read.
    """

    kind: str
    root: Path
    sentences: tuple[TaggedText, ...]
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def entity_types(self) -> tuple[str, ...]:
        """The types of all entities, in alphabetical order."""
        return tuple(sorted(_count_types(self.sentences)))


def read_tagged(data: str | Path) -> TaggedSource:
    """Read sentences with a tag for each token.

    A CoNLL file (CoNLL-2003, https://aclanthology.org/W03-0419) has a token a line, its tag in
    the last column, columns separated by tab or space, and an empty line behind each sentence;
    lines that begin with `-DOCSTART-` are skipped. A JSONL file has one object a line with
    `tokens`, `tags` and, if wanted, `split`. A folder has one file for each split; where there
    are both kinds, JSONL is read.

    Tags of the schemes BIO, IOB1, BIOES and BILOU become BIO (see `kfine.answers.tags.bio.to_bio`);
    how many were repaired is a note. Sentences without a word are set aside.

    Raises:
        DataError: A file, a line or a tag cannot be read, tokens and tags differ in number, or a
            file holds no entity.
    """
    path = existing_path(str(data), _WANTED)
    if path.is_dir():
        files, warnings = _choose(path)
    elif path.suffix.lower() in JSON_SUFFIXES + CONLL_SUFFIXES:
        files, warnings = {None: path}, []
    else:
        raise DataError(f"{path} is a file of a kind that holds no tagged text: wanted {_WANTED}")
    sentences: list[TaggedText] = []
    set_aside: list[SetAside] = []
    repaired = rewritten = 0
    for split, file in files.items():
        raws = list(read_jsonl(file) if _is_json(file) else read_conll(file))
        used, aside = _usable(file, split, raws)
        kept = [
            TaggedText(name, of, tuple(raw.tokens), to_bio(raw.tags)[0]) for name, of, raw in used
        ]
        if not _count_types(kept):
            raise DataError(_nothing(file, raws, aside))
        repaired += sum(to_bio(raw.tags)[1] for *_, raw in used)
        rewritten += sum(tag[0] in "ESLU" for *_, raw in used for tag in raw.tags)
        sentences += kept
        set_aside += aside
    return TaggedSource(
        kind=" and ".join(sorted({"jsonl" if _is_json(f) else "conll" for f in files.values()})),
        root=path if path.is_dir() else path.parent,
        sentences=tuple(sentences),
        set_aside=tuple(set_aside),
        warnings=(*warnings, *_type_warnings(sentences)),
        notes=tuple(_notes(sentences, repaired, rewritten)),
    )


def _is_json(path: Path) -> bool:
    return path.suffix.lower() in JSON_SUFFIXES


def _choose(folder: Path) -> tuple[dict[str | None, Path], list[str]]:
    """The file of each split, and sentences on what is passed over."""
    found, ignored = split_files(folder, CONLL_SUFFIXES[:1] + JSON_SUFFIXES + CONLL_SUFFIXES[1:])
    chosen: dict[str | None, Path] = {}
    passed: list[Path] = []
    warnings = ignored_warnings(ignored)
    for split, paths in found.items():
        preferred = [path for path in paths if _is_json(path)] or paths
        if len(preferred) > 1:
            names = " and ".join(printable(path.name) for path in preferred)
            raise DataError(f"{folder} holds several files of {split}, {names}: keep one of them")
        chosen[split] = preferred[0]
        passed += [path for path in paths if path not in preferred]
    if passed:
        names = ", ".join(printable(path.name) for path in passed)
        warnings.append(f"not read, since there is a JSONL file of the same split: {names}")
    return chosen, warnings


def _usable(
    path: Path, split: str | None, raws: Sequence[RawSentence]
) -> tuple[list[tuple[str, str | None, RawSentence]], list[SetAside]]:
    """Name, split and content of the sentences that can be used, and the others."""
    used, aside = [], []
    for raw in raws:
        name = f"{printable(path.name)}:{raw.line}"
        if split and raw.split not in (None, split):
            raise DataError(
                f"{path}, line {raw.line}: says split {raw.split!r}, in a file named after {split}"
            )
        of = split or raw.split
        if not any(token.strip() for token in raw.tokens):
            aside.append(SetAside(name, of, "no words"))
        elif not all(is_unicode(token) for token in raw.tokens):
            aside.append(SetAside(name, of, "half a surrogate pair, which is no character"))
        else:
            used.append((name, of, raw))
    return used, aside


def _nothing(path: Path, raws: Sequence[RawSentence], aside: Sequence[SetAside]) -> str:
    if not raws:
        return f"{path} holds no sentences"
    if len(aside) == len(raws):
        return f"none of the {len(raws)} sentences of {path} can be used ({aside[0].reason})"
    return f"{path} holds no entity: all tags of its {len(raws)} sentences are O"


def _count_types(sentences: Sequence[TaggedText]) -> Counter[str]:
    return Counter(tag[2:] for one in sentences for tag in one.tags if tag.startswith("B-"))


def _type_warnings(sentences: Sequence[TaggedText]) -> list[str]:
    counts = _count_types(sentences)
    single = sorted(kind for kind in counts if counts[kind] == 1)
    warnings = [f"there is only one entity of the type {kind!r}" for kind in single]
    trained = _count_types([one for one in sentences if one.split == "train"])
    unknown = sorted(set(counts) - set(trained)) if trained else []
    if unknown:
        names = ", ".join(map(repr, unknown))
        warnings.append(f"no training sentence has an entity of the type {names}")
    return warnings


def _notes(sentences: Sequence[TaggedText], repaired: int, rewritten: int) -> list[str]:
    total = sum(len(find_entities(one.tags)) for one in sentences)
    notes = []
    if repaired:
        notes.append(
            f"{repaired} of {total} entities begin with a tag that continues one (IOB1, or a "
            "mistake); it was read as B"
        )
    if rewritten:
        notes.append(f"{rewritten} tags E, S, L and U (BIOES or BILOU) were read as B and I")
    return notes
