"""A recipe of a user: rows of a table to a grade, with an input and an answer of their own.

Data: a CSV with a column `grade` and columns of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kfine.answers import Answer, AnswerOnDevice, Described, Targets, Trivial
from kfine.answers.score import Score
from kfine.config import absolute_path, inherited, setting
from kfine.console import Console
from kfine.data.structured import Kind, load_structured
from kfine.data.tables import read_table, split_cell
from kfine.errors import DataError
from kfine.inputs import Encoded, Input, InputOnDevice, Mistake, ReadFile, Request, Shapes
from kfine.inputs.places import Places, Whole
from kfine.models.built import Built
from kfine.training.settings import TrainingConfig

TASK = "Table"
GRADES = ("poor", "fair", "good", "best")


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of grades."""

    data: str = setting("", "A CSV with a column grade.", group="Data")
    width: int = setting(8, "Units of the hidden layer.", group="Model", minimum=1, maximum=99)
    backbone_rate: float | None = inherited(TrainingConfig, "backbone_rate", 1.0)


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    split: str | None
    values: Mapping[str, float]
    grade: str


@dataclass(frozen=True)
class Listed:
    """What the table holds, as `load_structured` wants it."""

    kind: str = "table"
    root: Path | None = None
    set_aside: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_rows(path: Path) -> list[Row]:
    """The rows of a table; columns but `grade` and `split` are numbers."""
    rows = []
    for row in read_table(path).rows:
        given = {key: one for key, one in row.cells.items() if key not in ("grade", "split")}
        values = {key: float(one) for key, one in given.items()}
        split = split_cell(path, row)
        rows.append(Row(f"{path.name}:{row.line}", split, values, row.cells.get("grade") or ""))
    return rows


def resolve(config: Config) -> Config:
    """A run can be opened from any folder."""
    return replace(config, data=absolute_path(config.data))


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Any:
    """Read the table."""
    path = Path(source or config.data)
    kind = Kind(
        label=lambda row: row.grade,
        stratum=str,
        content=lambda row: json.dumps([row.values, row.grade], sort_keys=True),
        together=lambda row: json.dumps(row.values, sort_keys=True),
        counted=lambda grade: [grade],
    )
    return load_structured(
        str(path),
        Listed(),
        read_rows(path),
        kind,
        names=GRADES,
        validation_split=0.2,
        test_split=0.2,
        seed=config.seed,
        like=like,
        **options,
    )


def build_model(config: Config, data: Any) -> Built:
    """Two dense layers."""
    import keras

    rows = data.train.inputs[range(len(data.train))]
    columns = tuple(sorted(rows[0].values))
    table = np.array([[row.values[name] for name in columns] for row in rows])
    inputs = keras.Input((len(columns),), name="row")
    hidden = keras.layers.Dense(config.width, activation="relu", name="hidden")(inputs)
    outputs = keras.layers.Dense(1, name="height")(hidden)
    return Built(
        model=keras.Model(inputs, outputs),
        input=Table(columns, tuple(table.mean(axis=0)), tuple(table.std(axis=0))),
        answer=Grade(GRADES),
    )


def search_space(hp: Any, config: Config) -> Config:
    """The width."""
    return replace(config, width=hp.Int("width", 4, 16))


@dataclass(frozen=True)
class Table:
    """Rows of numbers, standardised in the graph."""

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    kind: ClassVar[str] = "table"
    each: ClassVar[str] = "a row"
    many: ClassVar[str] = "rows"
    places = Whole

    def prepare(self, rows: Any) -> Any:
        """Standardise."""
        return (rows - np.array(self.mean, np.float32)) / np.array(self.scale, np.float32)

    def encode(self, examples: Any) -> Encoded:
        """float32 `(rows, columns)`."""
        values = [self.numbers(one) for one in examples]
        return Encoded(np.array(values, np.float32), Whole.of(len(values)))

    def numbers(self, example: Any) -> list[float]:
        """The cells of an example in order."""
        values = example.values if isinstance(example, Row) else example
        try:
            return [float(values[name]) for name in self.columns]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"a row needs {', '.join(self.columns)}: {error}") from error

    def requested(self, request: Request) -> Requested:
        """The rows of CSV files."""
        return Requested([row for one in request.given for row in read_rows(Path(one))])

    def settings(self) -> dict[str, Any]:
        """There are none."""
        return {}

    def sizes(self, examples: Sequence[Any]) -> None:
        """Rows are all of one size."""

    def cut(self, examples: Sequence[Any]) -> list[int]:
        """Rows are whole."""
        return []

    def caption(self, example: Any) -> str:
        """The numbers."""
        return ", ".join(f"{one:g}" for one in self.numbers(example))

    def write_mistakes(
        self, folder: Path, examples: Any, mistakes: Sequence[Mistake], names: Sequence[str]
    ) -> str:
        """A JSON file."""
        rows = [{"row": self.numbers(examples[[one.index]][0]), **vars(one)} for one in mistakes]
        (folder / "mistakes.json").write_text(json.dumps(rows))
        return "mistakes.json"

    def to_dict(self) -> dict[str, Any]:
        """Columns with mean and scale."""
        numbers = {"mean": list(map(float, self.mean)), "scale": list(map(float, self.scale))}
        return {"kind": self.kind, "columns": list(self.columns), **numbers}

    def files(self) -> dict[str, bytes]:
        """There are none."""
        return {}

    @classmethod
    def load(cls, values: Mapping[str, Any], read: ReadFile) -> Table:
        """Read what `to_dict` gave."""
        return cls(tuple(values["columns"]), tuple(values["mean"]), tuple(values["scale"]))

    def device(self) -> TableOnDevice:
        """A row of numbers."""
        return TableOnDevice(self)


@dataclass(frozen=True)
class Requested:
    """Rows to predict."""

    rows: list[Row]

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """All at once."""
        yield [one.name for one in self.rows], list(self.rows)


@dataclass(frozen=True)
class TableOnDevice:
    """float32 `(1, columns)`."""

    table: Table

    forms: ClassVar[Mapping[str, str]] = {"fixed": "Rows of numbers."}
    usual_quantize = "none"

    def stage(self, form: str) -> tuple[Any, Any]:
        """The standardised row."""
        import keras

        raw = keras.Input((len(self.table.columns),), name="row")
        offset = -np.array(self.table.mean) / np.array(self.table.scale)
        scaled = keras.layers.Rescaling(1 / np.array(self.table.scale), offset)(raw)
        return raw, scaled

    def tensors(self, example: Any, form: str) -> tuple[dict[str, np.ndarray], Places]:
        """The numbers."""
        return {"row": np.array([self.table.numbers(example)], np.float32)}, Whole.of(1)

    def sample(self) -> dict[str, np.ndarray]:
        """The mean row."""
        return {"row": np.array([self.table.mean], np.float32)}

    def check_shapes(self, shapes: Shapes, form: str) -> None:
        """As many numbers as columns."""
        (shape,) = shapes.values()
        if shape[-1] != len(self.table.columns):
            raise ValueError(f"its input of the shape {shape} is no row")

    def misfit(self, format: str, quantize: str, form: str) -> str:
        """Everything can be."""
        return ""

    def signatures(self, inference: Any, answer: Any) -> dict[str, Any]:
        """There are no others."""
        return {}

    def describe(self, form: str) -> dict[str, Any]:
        """The columns."""
        return {"input": {"name": "row", "columns": list(self.table.columns)}}

    def tensor_metadata(self, builder: Any, form: str) -> list[int]:
        """A plain feature."""
        from kfine.inputs.metadata import FEATURE, table, tensor

        words = ", ".join(self.table.columns)
        return [tensor(builder, "row", words, content=(FEATURE, table(builder, 0, {})))]

    def portable(self, example: Any) -> Any:
        """A row is handed over as it is."""
        return example

    def keep(self, example: Any, folder: Path, stem: str) -> tuple[Any, dict[str, Any]]:
        """The numbers."""
        return example, {"row": self.table.numbers(example)}

    def write_programs(self, folder: Path) -> None:
        """There are none."""

    def program_values(self) -> dict[str, Any]:
        """There are none."""
        return {}

    def programs(self, needs: type[Places] | None) -> list[Path]:
        """There are none."""
        return []

    def card_use(self, form: str, output: str, programs: str) -> str:
        """Columns in, a grade out."""
        return f"In: float32 (1, {len(self.table.columns)}). Out: {output}"


@dataclass(frozen=True)
class Grade:
    """One of some grades in order, learned as its place from the lowest, 0, up."""

    names: tuple[str, ...]

    kind: ClassVar[str] = "grade"
    needs: ClassVar[type[Places] | None] = None
    moves: ClassVar[Mapping[str, str]] = {}
    primary = "steps_off"
    direction = "min"
    watched = "steps_off"
    called = "grades"
    probes = False

    def unknown(self, label: Any) -> Iterable[str]:
        """A grade that is none of these."""
        return () if label in self.names else (str(label),)

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """float32 `(rows, 1)`."""
        rows = np.array([[self.names.index(one)] for one in labels], np.float32)
        return Targets({"height": rows[places.owner]})

    def losses(self) -> dict[str, Any]:
        """Squared."""
        import keras

        return {"height": keras.losses.MeanSquaredError()}

    def metrics(self) -> dict[str, list[Any]]:
        """How many steps it is off."""
        import keras

        return {"height": [keras.metrics.MeanAbsoluteError(name="steps_off")]}

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Kept between the lowest and the highest."""
        import keras

        height = keras.ops.cast(outputs["height"], "float32")
        return {"height": keras.ops.clip(height, 0.0, len(self.names) - 1.0)}

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[float]:
        """A float for each row."""
        return [float(one) for one in finished["height"][:, 0]]

    def settle(self, prediction: Any) -> str:
        """The nearest grade."""
        return prediction if isinstance(prediction, str) else self.names[round(prediction)]

    def height(self, one: Any) -> float:
        """Of a grade or a prediction."""
        return float(self.names.index(one) if isinstance(one, str) else one)

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Steps off."""
        pairs = zip(predictions, labels, strict=True)
        off = np.array([abs(self.height(one) - self.height(true)) for one, true in pairs])
        return Score(
            {"steps_off": float(off.mean())},
            np.clip(1 - off, 0, 1),
            resample=lambda rows: float(off[rows].mean()),
        )

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """The median grade."""
        middle = float(np.median([self.height(one) for one in labels]))
        return Trivial("median", lambda examples: [middle] * len(examples))

    def probe(self, *arguments: Any) -> Any:
        """There is none."""
        raise NotImplementedError

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """The grade and how high it is."""
        return [{"grade": self.settle(prediction), "height": round(prediction, 4)}]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """Both."""
        return {"label": label, "prediction": self.settle(prediction)}

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake]:
        """Other grades."""
        return [
            Mistake(index, label, self.settle(one), 1.0)
            for index, (one, label) in enumerate(zip(predictions, labels, strict=True))
            if self.settle(one) != label
        ]

    def draw(self, folder: Path, score: Score) -> None:
        """There is no picture."""

    def to_dict(self) -> dict[str, Any]:
        """The grades."""
        return {"kind": self.kind, "names": list(self.names)}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Grade:
        """Read what `to_dict` gave."""
        return cls(tuple(values["names"]))

    def device(self) -> GradeOnDevice:
        """One float."""
        return GradeOnDevice(self)


@dataclass(frozen=True)
class GradeOnDevice:
    """float32 `(1, 1)`."""

    answer: Grade

    programs = ()
    right = "share of exact heights"
    same = "agreement with Keras"
    timed = ""

    @property
    def tensors(self) -> tuple[Described, ...]:
        """One."""
        return (Described("height", ("height", "Grade from 0 up."), "1", (0.0, 3.0)),)

    def describe(self, quantize: str) -> dict[str, Any]:
        """float32."""
        return {"name": "height", "dtype": "float32"}

    def misfit(self, format: str, quantize: str) -> str:
        """Everything can be."""
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """The grades."""
        return f"Grades {many}: {', '.join(self.answer.names)}."

    def words(self, dtype: str) -> str:
        """One number."""
        return f"a {dtype} from 0 ({self.answer.names[0]}) up."

    def limits(self) -> str:
        """It has no word for anything else."""
        return "It knows these grades only."

    def strings(self, inference: Any, tokenizer: Any, text: Any) -> None:
        """There are none."""

    def program_values(self) -> dict[str, Any]:
        """There are none."""
        return {}

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """The grade."""
        return {"grade": self.answer.settle(prediction), "height": round(prediction, 4)}


_input: type[Input] = Table
_input_on_device: type[InputOnDevice] = TableOnDevice
_answer: type[Answer] = Grade
_answer_on_device: type[AnswerOnDevice] = GradeOnDevice
