"""The bundle: all that an app's developer needs, as a folder and as a zip."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfine.exporting.bundle.golden import GoldenExample, write_golden, write_spoken
from kfine.exporting.bundle.model_card import model_card
from kfine.exporting.bundle.snippets import snippets
from kfine.exporting.choices import LITERTLM
from kfine.exporting.export import Plan
from kfine.exporting.metadata.attached import metadata_files
from kfine.exporting.report import ExportReport
from kfine.runs.files import whole_file, whole_folder
from kfine.runtimes.carried import LABELS
from kfine.runtimes.litert import output_order

# What `sha256sum -c` checks a bundle with.
CHECKSUMS = "sha256sum.txt"
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def write_bundle(
    report: ExportReport,
    destination: Path,
    plan: Plan,
    golden: Sequence[GoldenExample],
    facts: Mapping[str, Any],
) -> ExportReport:
    """Move an exported file into a bundle: a folder, and a zip of it beside it.

    Both appear whole or not at all, and replace those of an earlier export.

    Args:
        report: Of a file that passed.
        destination: The folder to make; the zip has its name and `.zip`.
        plan: What was exported.
        golden: Held-out examples that become the golden ones; none for no such folder.
        facts: What the run knows, for the model card.

    Returns:
        The report with the file's new path and the bundle's.
    """
    taken, given = plan.input.device(), plan.answer.device()
    output = given.describe(report.quantize)
    description = {**taken.describe(report.form), "output": output}
    name = f"model{report.path.suffix}"
    moved = replace(report, path=destination / name, bundle=destination, format="bundle")
    with whole_folder(destination) as folder:
        model = folder / name
        shutil.copyfile(report.path, model)
        if golden:
            write = write_spoken if plan.format == LITERTLM else write_golden
            write(folder / "golden", model, golden, plan.input, plan.answer, description)
        taken.write_programs(folder)
        if hasattr(given, "write_programs"):
            given.write_programs(folder)
        if plan.format != LITERTLM:
            _write_for_interpreters(folder, model, plan, output.get("dtype", "float32"))
        card = model_card(moved, plan.input, plan.answer, facts, len(golden))
        (folder / "model_card.md").write_text(card, encoding="utf-8")
        values = {**moved.to_dict(), "path": name, "sha256": _sha256(model), "bundle": None}
        document = {**values, "names": list(plan.answer.names), "preprocessing": description}
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        files = sorted(one for one in folder.rglob("*") if one.is_file())
        lines = [f"{_sha256(one)}  {one.relative_to(folder).as_posix()}\n" for one in files]
        (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    with whole_file(destination.with_name(f"{destination.name}.zip")) as archive:
        _zip(destination, archive)
    report.path.unlink()
    return moved


def _write_for_interpreters(folder: Path, model: Path, plan: Plan, output: str) -> None:
    """Labels, and a program for each language."""
    (folder / LABELS).write_text(metadata_files(plan.labels, {})[LABELS], encoding="utf-8")
    texts = snippets(
        plan.input,
        plan.answer,
        model=model.name,
        output=output,
        order=output_order(model, [one.name for one in plan.answer.device().tensors]),
    )
    for name, text in texts.items():
        (folder / "snippets").mkdir(exist_ok=True)
        (folder / "snippets" / name).write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _zip(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                name = f"{folder.name}/{file.relative_to(folder).as_posix()}"
                # The same bundle gives the same zip.
                info = zipfile.ZipInfo(name, _FIXED_DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, file.read_bytes())
