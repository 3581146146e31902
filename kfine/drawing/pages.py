"""Pages that need no other file and no network."""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def render(package: str, name: str, **values: Any) -> str:
    """A page from the template of a package; all that is filled in is escaped.

    Args:
        package: Such as `kfine.reporting`.
        name: The template's file there, which extends `base.html`.
        **values: What it is filled with; what is HTML already is `markupsafe.Markup`.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined

    texts = {
        "base.html": files("kfine.drawing").joinpath("base.html").read_text(encoding="utf-8"),
        name: files(package).joinpath(name).read_text(encoding="utf-8"),
    }
    environment = Environment(
        loader=DictLoader(texts),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(name).render(**values)
