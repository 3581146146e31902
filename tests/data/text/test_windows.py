"""Windows hold every answer where the text has it, and scores lead back to the text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kfine.answers.spans.best import Passage, answer_texts, best_answers
from kfine.answers.spans.squad import Question
from kfine.errors import ConfigError, RunError
from kfine.inputs.text.tokenizers import Tokenizer, load_tokenizer
from kfine.inputs.text.tokenizers.standalone import _byte_chars
from kfine.inputs.text.windows import Windows, make_windows
from kfine.presets import find_preset

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "where", "is", "ada", "?"]
PIECES += [*"abcdefghij", "lon", "##don", "."]
LETTERS = "a b c d e f g h i j"
WORD, BYTES = "word_piece", "byte_pair"


def load(folder: Path, kind: str) -> Tokenizer:
    model_type = "bert" if kind == WORD else "roberta"
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    tokens = ["<s>", "<pad>", "</s>", "<mask>", *_byte_chars(), "Ġb", "Ġc", "Ġd"]
    vocabulary = json.dumps({token: number for number, token in enumerate(tokens)})
    (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nĠ b\nĠ c\nĠ d\n", encoding="utf-8")
    return load_tokenizer(find_preset(str(folder)))


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    return load(tmp_path, WORD)


def asked(context: str, *answers: str, question: str = "Where is Ada?") -> Question:
    found = tuple((context.index(text), text) for text in answers)
    return Question("q", "train", question, context, found, not answers)


def scored(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a model that knows the labels."""
    pieces = np.arange(windows.token_ids.shape[1])
    starts, ends = windows.starts[:, None] == pieces, windows.ends[:, None] == pieces
    return starts.astype(np.float32), ends.astype(np.float32)


def test_windows_overlap_and_none_leaves_a_piece_out(tokenizer: Tokenizer) -> None:
    windows = make_windows(tokenizer, [asked(LETTERS, "d e")], 11, stride=2, longest_question=4)
    rows = [" ".join(PIECES[one] for one in row) for row in windows.token_ids]
    start = "[CLS] where is ada ? [SEP] "
    assert rows == [f"{start}{part} [SEP]" for part in ("a b c d", "c d e f", "e f g h", "g h i j")]
    assert windows.segment_ids is not None
    assert windows.segment_ids[0].tolist() == [0] * 6 + [1] * 5
    assert windows.padding_mask.all() and windows.padding_mask.dtype == bool
    assert windows.examples.tolist() == [0] * 4
    assert windows.columns.tolist() == [6] * 4
    assert windows.firsts.tolist() == [0, 2, 4, 6]
    assert windows.counts.tolist() == [4] * 4
    # Only the second window holds the whole answer; it is not the first two in the others.
    assert windows.starts.tolist() == [0, 7, 0, 0]
    assert windows.ends.tolist() == [0, 8, 0, 0]
    spans = windows.piece_spans(1)
    assert [LETTERS[start:end] for start, end in spans] == ["c", "d", "e", "f"]
    kinds = {windows.token_ids.dtype, windows.segment_ids.dtype, windows.starts.dtype, spans.dtype}
    assert kinds == {np.dtype(np.int32)}


def test_a_stride_beyond_the_room_leaves_nothing_out(tokenizer: Tokenizer) -> None:
    windows = make_windows(tokenizer, [asked(LETTERS, "j")], 11, stride=9, longest_question=4)
    assert windows.firsts.tolist() == [0, 4, 8]
    assert windows.counts.tolist() == [4, 4, 2]
    assert windows.padding_mask[2].tolist() == [True] * 9 + [False] * 2
    assert (windows.starts.tolist(), windows.ends.tolist()) == ([0, 0, 7], [0, 0, 7])


def test_roberta_has_two_separators_and_no_segments(tmp_path: Path) -> None:
    question = asked("a b c d", "b c", question="é?")
    windows = make_windows(load(tmp_path, BYTES), [question], 14, longest_question=5)
    assert windows.segment_ids is None
    ids = windows.token_ids[0].tolist()
    # <s> three bytes </s> </s> a Ġb Ġc Ġd </s>, then padding.
    assert [ids[place] for place in (0, 4, 5, 10, 11)] == [0, 2, 2, 2, 1]
    assert (windows.columns.tolist(), windows.counts.tolist()) == ([6], [4])
    assert (windows.starts.tolist(), windows.ends.tolist()) == ([7], [8])
    (answer,) = best_answers(windows, [question], *scored(windows))
    assert (answer.text, answer.start, answer.end) == ("b c", 2, 5)


def test_the_length_that_a_preset_prefers_does_not_count(tokenizer: Tokenizer) -> None:
    questions = [asked(LETTERS, "d e")]
    plain = make_windows(tokenizer, questions, 11, stride=2, longest_question=4)
    tokenizer.sequence_length = 512
    windows = make_windows(tokenizer, questions, 11, stride=2, longest_question=4)
    assert np.array_equal(windows.token_ids, plain.token_ids)


def test_long_questions_are_cut_and_counted(tokenizer: Tokenizer) -> None:
    questions = [asked(LETTERS, "a"), asked(LETTERS, "b", question="Where?")]
    windows = make_windows(tokenizer, questions, 16, longest_question=3)
    assert windows.questions_cut == 1
    assert windows.columns.tolist() == [5, 4]
    assert windows.token_ids[0, :5].tolist() == [2, 5, 6, 7, 3]


@pytest.mark.parametrize("kind", [WORD, BYTES])
def test_labels_lead_back_to_the_answers(tmp_path: Path, kind: str) -> None:
    context = "London. a  b\nc d e\u0301, London f g h (i) j"
    answers = ["London", "a  b\nc", "e\u0301", "i", "j", "b\nc d e\u0301, London f"]
    questions = [asked(context, answer) for answer in answers]
    windows = make_windows(load(tmp_path, kind), questions, 60, stride=3, longest_question=20)
    assert windows.unlabelled == 0
    found = best_answers(windows, questions, *scored(windows))
    assert answer_texts(found) == answers
    assert [(one.start, one.end) for one in found] == [
        (context.index(answer), context.index(answer) + len(answer)) for answer in answers
    ]


def test_an_answer_inside_a_piece_takes_the_whole_piece(tokenizer: Tokenizer) -> None:
    questions = [asked("a London b", "ond")]
    windows = make_windows(tokenizer, questions, 20, longest_question=4)
    found = best_answers(windows, questions, *scored(windows))
    assert answer_texts(found) == ["London"]


def test_answers_that_no_window_holds_are_counted(tokenizer: Tokenizer) -> None:
    questions = [asked(LETTERS, "a b c d e"), asked("a \x07 b", "\x07"), asked(LETTERS)]
    windows = make_windows(tokenizer, questions, 11, stride=2, longest_question=4)
    assert windows.unlabelled == 2
    assert not windows.starts.any() and not windows.ends.any()


def test_only_spans_of_the_context_are_answers(tokenizer: Tokenizer) -> None:
    questions = [asked(LETTERS, "a")]
    windows = make_windows(tokenizer, questions, 20, longest_question=4)
    starts, ends = np.zeros((2, 1, 20), np.float32)
    # Outside the context (the question, the end, padding) and backwards scores count for nothing.
    starts[0, [0, 2, 9, 16, 19]] = 9, 9, 3, 9, 9
    ends[0, [0, 3, 7, 12, 17]] = 1, 9, 8, 2, 9
    (answer,) = best_answers(windows, questions, starts, ends)
    # d to g scores 3 + 2; a to b, with b the best end, 0 + 8.
    assert answer == Passage("b", 2, 3, 8.0, 10.0)
    ends[0, 7] = 0
    (answer,) = best_answers(windows, questions, starts, ends)
    assert answer == Passage("d e f g", 6, 13, 5.0, 10.0)
    (answer,) = best_answers(windows, questions, starts, ends, longest_answer=3)
    assert answer == Passage("d", 6, 7, 3.0, 10.0)


def test_the_best_window_answers_and_the_least_null_score_counts(tokenizer: Tokenizer) -> None:
    questions = [asked(LETTERS, "a"), asked("a b", "a")]
    windows = make_windows(tokenizer, questions, 11, stride=4, longest_question=4)
    assert windows.examples.tolist() == [0, 0, 0, 1]
    starts, ends = np.zeros((2, 4, 11), np.float64)
    starts[:, 0] = 5, 2, 4, 1
    starts[1, 7] = ends[1, 8] = 2
    found = best_answers(windows, questions, starts, ends)
    assert found == [Passage("f g", 10, 13, 4.0, 2.0), Passage("a", 0, 1, 0.0, 1.0)]
    assert [answer.gap for answer in found] == [-2, 1]
    # Nothing is answered where no answer is better by more than the threshold.
    assert answer_texts(found) == ["f g", "a"]
    assert answer_texts(found, 1.0) == ["f g", "a"]
    assert answer_texts(found, 0.5) == ["f g", ""]
    assert answer_texts(found, -3.0) == ["", ""]


def test_a_context_without_pieces_has_no_answer(tokenizer: Tokenizer) -> None:
    questions = [asked("\u200b", "\u200b"), asked("a", "a")]
    windows = make_windows(tokenizer, questions, 11, longest_question=4)
    assert windows.counts.tolist() == [0, 1]
    empty, _ = best_answers(windows, questions, *scored(windows))
    assert empty == Passage("", 0, 0, -np.inf, 2.0)
    assert answer_texts([empty], 1e9) == [""]


def test_no_questions_give_no_windows(tokenizer: Tokenizer) -> None:
    windows = make_windows(tokenizer, [], 11, longest_question=4)
    assert windows.token_ids.shape == (0, 11) and len(windows) == 0
    assert best_answers(windows, [], *scored(windows)) == []


@pytest.mark.parametrize(
    "setting", [{"stride": 0}, {"longest_question": 0}, {"sequence_length": 67}]
)
def test_impossible_settings_end_in_one_sentence(
    tokenizer: Tokenizer, setting: dict[str, int]
) -> None:
    # Of 67 pieces, 64 are for the question and 3 are special.
    with pytest.raises(ConfigError, match="windows need a stride of 1 or more"):
        make_windows(tokenizer, [asked(LETTERS, "a")], **{"sequence_length": 99, **setting})
    assert len(make_windows(tokenizer, [asked(LETTERS, "a")], 68)) == 1


def test_scores_that_cannot_be_read_are_refused(tokenizer: Tokenizer) -> None:
    questions = [asked(LETTERS, "a")]
    windows = make_windows(tokenizer, questions, 20, longest_question=4)
    starts, ends = scored(windows)
    with pytest.raises(ValueError, match="scores must be"):
        best_answers(windows, questions, starts[:, :5], ends)
    with pytest.raises(ConfigError, match="Received: longest_answer 0"):
        best_answers(windows, questions, starts, ends, longest_answer=0)
    with pytest.raises(RunError, match="NaN or infinity for 1 of 1 windows"):
        best_answers(windows, questions, starts * np.nan, ends)
