"""What a bundle's Kotlin, Swift and JavaScript find is what its Python finds.

Needs kotlinc and java, swiftc, or node: who changes a program for phones or the web runs these
tests with them. `phone/` stands in for Android, its ICU and LiteRT.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.answers.boxes import Boxes
from kfine.answers.classes import Classes
from kfine.answers.masks import Masks
from kfine.answers.numbers import Numbers
from kfine.answers.several import Several
from kfine.answers.spans import Spans
from kfine.answers.tags import Tags
from kfine.answers.words import Words
from kfine.answers.words.byte_pairs import BytePairs
from kfine.exporting.bundle.snippets import snippets
from kfine.inputs.audio import Audio
from kfine.inputs.image import Image
from kfine.inputs.speech import Speech
from kfine.inputs.text import Text
from kfine.inputs.text.tokenizers import TokenizerFiles, from_preset
from kfine.inputs.text.tokenizers.standalone import _byte_chars, load

PHONE = Path(__file__).parent / "phone"
UNICODE = json.loads(Path(from_preset.__file__).with_name("unicode.json").read_text("utf-8"))
LENGTH = 32
TAGS = ("O", "B-person", "I-person", "B-place", "I-place")
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = "= ᄀ ##ᅡ ##ᆨ σ e i"
PIECES += (
    " witty fi ##ne film ' s - @ the … é 漢 👍 ß https : / a . b 2 ##2 u ##\u0308 ꭰ Ꭰ в \u034f"
)
PARTS = "witty Film's fine-plot @the 'LL 22 https://a.b/c?d … é e\u0301 u\u0308 ẞ İ ﬁ Ⅷ ² ６ ꭰ Ꭰ ᲀ"
PARTS += " ≠ 각 Σ ΑΣ \u05b0\u05a4 \u2028 \ue000"
PARTS += " 漢字 👍🏽 ❤\ufe0f a\u034fb \u200b \x01 \n \t \xa0 \u3000 [SEP] <s> " + "x" * 120


@dataclass(frozen=True)
class Program:
    """Compiled programs, and the bundle that they are of."""

    command: list[str]
    bundle: Path
    utf16: bool

    def run(self, finder: str, cases: list[dict[str, Any]], bundle: Path | None = None) -> Any:
        """The rows that the model was given for each case, and what was found."""
        command = [*self.command, finder, str(bundle or self.bundle)]
        rows = ({"values": [], "sizes": [len(case.get("values", ()))], **case} for case in cases)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        # Only a line feed ends a line; a text has other signs that Python would cut at.
        return [json.loads(line) for line in done.stdout.split("\n")[:-1]]

    def place(self, text: str, character: int) -> int:
        """A place in a text as the program counts it."""
        return len(text[:character].encode("utf-16-le")) // 2 if self.utf16 else character


# Of a file of boxes, in an order of its own.
OUTPUTS = ("count", "scores", "locations", "categories")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of each shape, with one tokenizer, and a model that is labels only."""
    folder = tmp_path_factory.mktemp("bundle")
    description = {
        "format": from_preset.FORMAT,
        "kind": "wordpiece",
        "class": "BertTokenizer",
        "sequence_length": LENGTH,
        "truncate": "round_robin",
        "segment_ids": True,
        "vocabulary": "vocabulary.txt",
        **from_preset._word_piece_rules({"lowercase": True}),
        "unicode": UNICODE["wordpiece"],
    }
    vocabulary = "\n".join([*SPECIALS, *PIECES.split()])
    files = TokenizerFiles(description, {"vocabulary.txt": vocabulary.encode()})
    (folder / "snippets").mkdir()
    for input, answer in (
        (Text(files, stride=23), Tags(TAGS)),
        (Text(files, stride=25), Classes(('the "best"', "5 $x"))),
        (Text(files, stride=9, questions=True), Spans(("answer", "no answer"), longest=4)),
    ):
        input.device().write_programs(folder)
        for name, text in snippets(input, answer).items():
            (folder / "snippets" / name).write_text(text, encoding="utf-8")
    number = Numbers.of([(1.0,), (2.0,)], ("weight",), ("g",))
    several = Several({"shape": Classes(('the "best"', "5 $x")), "size": number}, "shape")
    made = snippets(Image((24, 16)), several, order=("size", "shape"))
    for name in ("Predictor.kt", "predict.js", "predict.py"):
        (folder / "snippets" / name).write_text(made[name], encoding="utf-8")
    masks = Masks(("paper", "ink", "5 $x"), (24, 16), (0.5, 0.25, 0.25))
    made = snippets(Image((24, 16)), masks)
    for name in ("Segmenter.kt", "segment.js", "segment.py"):
        (folder / "snippets" / name).write_text(made[name], encoding="utf-8")
    boxes = Boxes(("bolt", "5 $x"), (24, 16), ((3, 2),))
    made = snippets(Image((24, 16)), boxes, order=OUTPUTS)
    for name in ("Detector.kt", "detect.js", "detect.py"):
        (folder / "snippets" / name).write_text(made[name], encoding="utf-8")
    with zipfile.ZipFile(folder / "model.tflite", "w") as archive:
        archive.writestr("labels.txt", "\n".join(TAGS))
    return folder


@pytest.fixture(scope="module")
def plain_bundle(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer that drops accents."""
    files = from_preset.read_files(bundle / "tokenizer")
    folder = tmp_path_factory.mktemp("plain")
    from_preset.write_tokenizer(from_preset._stripping(files, True), folder / "tokenizer")
    return folder


@pytest.fixture(scope="module")
def bpe_bundle(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of bytes alone, with a few merges."""
    rules = json.loads((bundle / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    rules |= from_preset._byte_pair_rules("RobertaTokenizer", {"add_prefix_space": True})
    rules |= {"kind": "bpe", "vocabulary": "vocabulary.json", "merges": "merges.txt"}
    rules["unicode"] = UNICODE["bpe"]
    merges = ("t h", "th e", "Ġ the", "w i", "t t", "wi tt", "Ã ©", "Ġ f", "Ġ Ġ", "x x", "xx xx")
    joined = [one.replace(" ", "") for one in merges]
    vocabulary = ["<s>", "<pad>", "</s>", "<mask>", *_byte_chars(), *joined]
    ids = {token: number for number, token in enumerate(vocabulary)}
    files = {"vocabulary.json": json.dumps(ids), "merges.txt": "\n".join(merges)}
    folder = tmp_path_factory.mktemp("bytes")
    written = TokenizerFiles(rules, {name: text.encode() for name, text in files.items()})
    from_preset.write_tokenizer(written, folder / "tokenizer")
    return folder


def compile_kotlin(bundle: Path) -> list[str]:
    sources = [bundle / "tokenizer" / "Tokenizer.kt", *(bundle / "snippets").glob("*.kt")]
    jar = bundle / "phone.jar"
    command = ["kotlinc", "-Werror", *sources, *PHONE.glob("*.kt"), "-include-runtime", "-d", jar]
    build(command)
    return ["java", "-jar", str(jar)]


def compile_swift(bundle: Path) -> list[str]:
    # Bundle.main is the folder of the program.
    library, program = bundle / "libTensorFlowLite.a", bundle / "phone"
    module = ["-emit-library", "-static", "-parse-as-library", "-emit-module"]
    module += ["-emit-module-path", str(bundle / "TensorFlowLite.swiftmodule")]
    source = PHONE / "TensorFlowLite.swift"
    build(["swiftc", *module, "-module-name", "TensorFlowLite", "-o", library, source])
    sources = [bundle / "tokenizer" / "Tokenizer.swift", *(bundle / "snippets").glob("*.swift")]
    linked = ["-I", bundle, "-L", bundle, "-lTensorFlowLite"]
    build(["swiftc", *linked, "-o", program, *sources, PHONE / "main.swift"])
    return [str(program)]


def link_javascript(bundle: Path) -> list[str]:
    runtime = bundle / "node_modules" / "@litertjs" / "core"
    runtime.mkdir(parents=True)
    shutil.copy(PHONE / "litert.js", runtime / "index.js")
    package = json.dumps({"type": "module", "exports": "./index.js"})
    for folder in (runtime, bundle):
        (folder / "package.json").write_text(package, encoding="utf-8")
    return ["node", shutil.copy(PHONE / "main.js", bundle / "main.js")]


def build(command: list[Any]) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


# Older ones lack what the programs are written in, such as `fun interface`.
OLDEST = {"kotlinc": (1, 9), "swiftc": (5, 7), "node": (18, 0)}
COMPILE = {"kotlinc": compile_kotlin, "swiftc": compile_swift, "node": link_javascript}


def lacking(compiler: str) -> str:
    """Why a compiler cannot be used; empty if it can."""
    if shutil.which(compiler) is None:
        return f"{compiler} is not on the PATH"
    option = "-version" if compiler == "kotlinc" else "--version"
    done = subprocess.run([compiler, option], capture_output=True, text=True, timeout=120)
    found = re.search(r"(\d+)\.(\d+)", done.stdout + done.stderr)
    version = tuple(map(int, found.groups())) if found else (0, 0)
    oldest = OLDEST[compiler]
    if version < oldest:
        found, wanted = (".".join(map(str, one)) for one in (version, oldest))
        return f"{compiler} is version {found}: the oldest is {wanted}"
    return ""


@pytest.fixture(scope="module", params=list(COMPILE))
def phone(request: pytest.FixtureRequest, bundle: Path) -> Program:
    reason = lacking(request.param)
    if reason:
        pytest.skip(reason)
    return Program(COMPILE[request.param](bundle), bundle, utf16=request.param != "swiftc")


def texts(count: int, seed: int) -> list[str]:
    chance = np.random.default_rng(seed)
    parts = [*PARTS.split(" "), *" " * 12]
    return ["".join(chance.choice(parts, chance.integers(0, 30))) for _ in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bundle", "plain_bundle", "bpe_bundle"])
def test_a_phone_reads_texts_as_python_does(
    phone: Program, request: pytest.FixtureRequest, kind: str
) -> None:
    folder = request.getfixturevalue(kind)
    tokenizer = load(folder / "tokenizer")
    pairs = [texts(2, seed)[: 1 + seed % 2] for seed in range(300)]
    found = phone.run("tokens", [{"texts": pair} for pair in pairs], folder)
    for pair, (ids, spans) in zip(pairs, found, strict=True):
        right = tokenizer.pack([tokenizer.tokenize(text) for text in pair])
        rows = zip(right.segment_ids, right.offsets, strict=True)
        expected = [[phone.place(pair[n], one) for one in span or ()] for n, span in rows]
        assert (ids, spans) == ([right.token_ids], expected), pair


@pytest.mark.slow
def test_a_phone_finds_the_entities_that_python_finds(
    phone: Program, program: Callable[[Path], Any]
) -> None:
    module = program(phone.bundle / "snippets" / "find_entities.py")
    chance, cases, expected = np.random.default_rng(0), [], []
    for text in texts(500, seed=0):
        # Whole numbers, so that tags are often as sure as another.
        values = chance.integers(0, 9, (LENGTH, len(TAGS))).astype(np.float32)
        module.run = lambda _, values=values: [values]
        cases.append({"texts": [text], "values": values.ravel().tolist()})
        expected.append(module.find(text))
    assert sum(map(len, expected)) > 1000
    for case, (_, found), right in zip(cases, phone.run("entities", cases), expected, strict=True):
        (text,) = case["texts"]
        rows = [
            [one["type"], *(phone.place(text, one[end]) for end in ("start", "end"))]
            for one in right
        ]
        assert [one[:3] for one in found] == rows, text
        assert [one[3:] for one in found] == [[one["probability"], one["text"]] for one in right]


@pytest.mark.slow
def test_a_phone_finds_the_answer_that_python_finds(
    phone: Program, program: Callable[[Path], Any]
) -> None:
    module = program(phone.bundle / "snippets" / "find_answer.py")
    chance, cases, expected, rows = np.random.default_rng(0), [], [], []
    for text in texts(500, seed=1):
        values = chance.integers(-3, 4, (LENGTH, 2)).astype(np.float32)
        values[0] = chance.integers(-1, 4)
        module.run = lambda _, values=values: [values]
        expected.append(module.find("the film is", text))
        rows.append([one.token_ids for one in module.prepare("the film is", text)])
        cases.append({"texts": ["the film is", text], "values": values.ravel().tolist()})
    assert max(map(len, rows)) > 2, "contexts are longer than a row"
    nothing = sum(one is None for one in expected)
    assert len(expected) > 300 and 50 < nothing < len(expected) - 50
    for case, row, (ids, found), right in zip(
        cases, rows, phone.run("answer", cases), expected, strict=True
    ):
        text = case["texts"][1]
        assert ids == row, text
        places = [
            [*(phone.place(text, one[end]) for end in ("start", "end")), one["score"], one["text"]]
            for one in [right] * (right is not None)
        ]
        assert found == places, text


@pytest.mark.slow
def test_a_phone_averages_the_windows_of_a_text_as_python_does(
    phone: Program, program: Callable[[Path], Any]
) -> None:
    module = program(phone.bundle / "snippets" / "classify.py")
    module.run = lambda row: [np.float32([0.25, 0.75])]
    cases = [{"texts": [text], "values": [0.25, 0.75]} for text in texts(200, seed=2)]
    rows = [[one.token_ids for one in module.prepare(*case["texts"])] for case in cases]
    assert max(map(len, rows)) > 1
    for case, row, (ids, found) in zip(cases, rows, phone.run("classes", cases), strict=True):
        assert ids == row, case
        assert sorted(found) == sorted(map(list, module.classify(*case["texts"]).items()))


@pytest.mark.slow
def test_a_phone_reads_photos_and_several_outputs_as_python_does(
    phone: Program, program: Callable[[Path], Any]
) -> None:
    from PIL import Image as Photo

    if not phone.utf16:
        pytest.skip("CoreGraphics is on Apple's systems only")
    module = program(phone.bundle / "snippets" / "predict.py")
    module.run = lambda _: [np.float32([2.5]), np.float32([0.25, 0.75])]
    chance, cases, rows = np.random.default_rng(0), [], []
    for height, width in ((1, 1), (24, 16), (7, 50), (101, 33), (480, 640)):
        pixels = chance.integers(0, 256, (height, width, 3), np.uint8)
        colours = pixels.astype(int) @ [1 << 16, 1 << 8, 1]
        photo = Photo.fromarray(pixels)
        rows.append(module.prepare(photo).ravel().tolist())
        texts = [str(width), str(height), " ".join(map(str, colours.ravel()))]
        cases.append({"texts": texts, "values": [2.5, 0.25, 0.75], "sizes": [1, 2]})
    answers = module.predict(photo).items()
    expected = [[name, *map(list, values.items())] for name, values in answers]
    assert expected == [["size", ["weight", 2.5]], ["shape", ['the "best"', 0.25], ["5 $x", 0.75]]]
    for (given, found), row in zip(phone.run("photo", cases), rows, strict=True):
        assert found == expected
        assert given == [row]


@pytest.mark.slow
def test_a_phone_finds_the_mask_that_python_finds(
    phone: Program, program: Callable[[Path], Any]
) -> None:
    from PIL import Image as Photo

    if not phone.utf16:
        pytest.skip("CoreGraphics is on Apple's systems only")
    module = program(phone.bundle / "snippets" / "segment.py")
    chance, cases, expected = np.random.default_rng(0), [], []
    for _ in range(5):
        pixels = chance.integers(0, 256, (9, 13, 3), np.uint8)
        # Whole numbers, so that classes are often as sure as another.
        values = chance.integers(0, 4, (24, 16, 3)).astype(np.float32)
        module.run = lambda _, values=values: [values]
        found = module.segment(Photo.fromarray(pixels))
        expected.append((found["mask"], found["shares"]))
        colours = pixels.astype(int) @ [1 << 16, 1 << 8, 1]
        texts = ["13", "9", " ".join(map(str, colours.ravel()))]
        cases.append({"texts": texts, "values": values.ravel().tolist(), "sizes": [values.size]})
    for (_, found), (mask, shares) in zip(phone.run("mask", cases), expected, strict=True):
        assert found[:3] == [mask.ravel().tolist(), 24, 16]
        assert dict(map(tuple, found[3])) == {
            name: pytest.approx(share, abs=1e-6) for name, share in shares.items()
        }


@pytest.mark.slow
def test_a_phone_finds_the_objects_that_python_finds(
    phone: Program, program: Callable[[Path], Any]
) -> None:
    from PIL import Image as Photo

    if not phone.utf16:
        pytest.skip("CoreGraphics is on Apple's systems only")
    module = program(phone.bundle / "snippets" / "detect.py")
    chance, cases, expected = np.random.default_rng(0), [], []
    for count in (0, 1, 7, 100):
        pixels = chance.integers(0, 256, (9, 13, 3), np.uint8)
        scores = np.zeros(100, np.float32)
        scores[:count] = np.sort(chance.uniform(0.3, 1, count))[::-1]
        values = {
            "count": np.array([count], np.float32),
            "locations": chance.uniform(0, 1, (100, 4)).astype(np.float32),
            "categories": chance.integers(0, 2, 100).astype(np.float32),
            "scores": scores,
        }
        module.run = lambda _, values=values: [values[name] for name in OUTPUTS]
        found = module.detect(Photo.fromarray(pixels))
        assert len(found) == (scores >= 0.5).sum()
        expected.append([list(one.values()) for one in found])
        colours = pixels.astype(int) @ [1 << 16, 1 << 8, 1]
        texts = ["13", "9", " ".join(map(str, colours.ravel()))]
        given = np.concatenate([values[name].ravel() for name in OUTPUTS])
        sizes = [values[name].size for name in OUTPUTS]
        cases.append({"texts": texts, "values": given.tolist(), "sizes": sizes})
    for (_, found), rows in zip(phone.run("objects", cases), expected, strict=True):
        assert [one[0] for one in found] == [one[0] for one in rows]
        assert [one[1:] for one in found] == [pytest.approx(one[1:], abs=1e-6) for one in rows]


def page(folder: Path, programs: dict[str, str]) -> Path:
    """Where the programs of a page were put, with what stands in for LiteRT.js."""
    reason = lacking("node")
    if reason:
        pytest.skip(reason)
    written = folder / "snippets"
    written.mkdir()
    for name, text in programs.items():
        (written / name).write_text(text, encoding="utf-8")
    link_javascript(folder)
    return written


def run_page(folder: Path, script: str) -> str:
    """What a script prints."""
    done = subprocess.run(["node", script], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_page_cuts_recordings_into_the_windows_that_python_cuts(
    tmp_path: Path, program: Callable[[Path], Any]
) -> None:
    folder = page(tmp_path, snippets(Audio(frames=4), Classes(("a", "5 $x"))))
    lengths = [1, 500, 880, 900, 968, 969, 1500, 1760, 1761, 1849, 5000]
    (tmp_path / "windows.js").write_text(
        'import { loadClassifier } from "./snippets/classify.js";\n'
        "const { prepare } = await loadClassifier();\n"
        f"for (const length of {lengths}) {{\n"
        "  const rows = prepare(Float32Array.from({ length }, (_, place) => place + 1));\n"
        "  console.log(JSON.stringify(rows.map((row) => Array.from(row))));\n"
        "}\n"
    )
    printed = run_page(tmp_path, "windows.js")
    module = program(folder / "classify.py")
    audio = Audio(frames=4)
    for length, line in zip(lengths, printed.splitlines(), strict=True):
        sound = np.arange(1, length + 1)
        rows = module.prepare(sound.astype(np.float32))
        assert json.loads(line) == [row[0].tolist() for row in rows], length
        np.testing.assert_array_equal(
            audio.encode([sound.astype(np.int16)]).rows, np.concatenate(rows)
        )


@pytest.mark.slow
def test_a_page_writes_down_what_python_does(
    tmp_path: Path, program: Callable[[Path], Any]
) -> None:
    """Tokens of each window to text, in letters beyond ASCII and broken in the middle of one."""
    pairs = BytePairs((*_byte_chars(), "\u0120lo"), ())
    words = Words(pairs, (258, 259), 257, 24)
    order = ("confidence", "token_ids")
    folder = page(tmp_path, snippets(Speech(frames=4), words, order=order))
    words.device().write_programs(tmp_path)
    numbers = {letter: number for number, letter in enumerate(pairs.tokens)}
    letters = _byte_chars()
    texts = [" lo Größe", "", " 日本 👍", " half\u00e9"]
    windows = []
    for number, text in enumerate(texts):
        tokens = [numbers[letters[one]] for one in text.encode()][: -1 if number == 3 else None]
        row = [*tokens, *[257] * (24 - len(tokens))]
        windows.append([[0.25 + 0.25 * number], list(map(float, row))])
    samples = 3 * 640 + 2000
    (tmp_path / "words.js").write_text(
        'import { set } from "@litertjs/core";\n'
        'import { readFile } from "node:fs/promises";\n'
        'import { loadTranscriber } from "./snippets/transcribe.js";\n'
        "globalThis.fetch = async (path) => ({ text: () => readFile(path, 'utf8') });\n"
        f"const windows = {json.dumps(windows)};\n"
        "Object.defineProperty(set, 'values', { get: () => windows.shift() });\n"
        "const { transcribe } = await loadTranscriber();\n"
        f"console.log(JSON.stringify(await transcribe(new Float32Array({samples}))));\n"
    )
    printed = run_page(tmp_path, "words.js")
    found = json.loads(printed)
    module = program(folder / "transcribe.py")
    outputs = iter([[np.float32(one[0][0]), np.array(one[1], np.float32)] for one in windows])
    module.run = lambda _: next(outputs)
    expected = module.transcribe(np.zeros(samples, np.float32))
    assert expected["text"] == "lo Größe 日本 👍 half\ufffd"
    assert found == {
        "text": expected["text"],
        "probability": pytest.approx(expected["probability"], abs=1e-6),
    }
