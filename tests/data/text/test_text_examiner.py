"""How texts are shown in a page."""

from __future__ import annotations

from kfine.data.examining import Marked
from kfine.data.records import Record
from kfine.inputs.text.examiner import TextExaminer

RECORD = Record("a.csv:1", "good")


def test_marked_words_are_escaped_and_named() -> None:
    text = "<b>warm</b> & dull end"
    parts = ((3, 7, 1.0), (12, 13, 0.05), (14, 18, -0.5))
    shown = TextExaminer().html(Marked(text, parts), RECORD)
    assert "<b>" not in shown and "&lt;b&gt;" in shown and "&amp;" in shown
    assert ">warm</mark>" in shown and ">dull</mark>" in shown
    assert shown.count("<mark") == 2
    assert "for it: warm; against it: dull" in shown
    assert shown.index(">dull</mark>") < shown.index(" end")


def test_of_a_long_text_the_beginning_is_shown() -> None:
    text = "word " * 200
    parts = tuple((at, at + 4, 0.5) for at in range(0, 1000, 5))
    shown = TextExaminer().html(Marked(text, parts), RECORD)
    assert shown.count("<mark") == 80 and " …</p>" in shown
    assert "<mark" not in TextExaminer().html(Marked("a b", ()), RECORD)
