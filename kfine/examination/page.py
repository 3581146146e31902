"""The report on a data set as one page that needs no other file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

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
        show: From split and name of an example to HTML that is escaped already.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    source = files("kfine.examination").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals["show"] = lambda split, name: Markup(show(split, name))
    template = environment.from_string(source)
    return template.render(found=found, findings=findings, most=MOST_SHOWN)
