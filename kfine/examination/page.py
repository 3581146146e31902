"""The report on a data set as one page that needs no other file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kfine.drawing.pages import render
from kfine.examination.findings import Finding

# Of each kind; the clean-list has all.
MOST_SHOWN = 12


def page(
    found: Mapping[str, Any],
    findings: Mapping[str, Sequence[Finding]],
    show: Callable[[str, str], str],
) -> str:
    """HTML with pictures, texts and sounds inside.

    Args:
        found: What `kfine.doctor` returns.
        findings: By kind.
        show: From split and name of an example to its HTML, `markupsafe.Markup`.
    """
    return render(
        "kfine.examination",
        "page.html",
        found=found,
        findings=findings,
        most=MOST_SHOWN,
        show=show,
    )
