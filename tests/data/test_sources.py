from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kfine.data.sources import read_source
from kfine.errors import DataError


@pytest.mark.parametrize("data", ["flowers", "", "no/such.csv", "x" * 5000, "nul\0byte"])
def test_what_is_not_there_is_one_sentence(data: str) -> None:
    with pytest.raises(DataError) as caught:
        read_source(data)
    assert "\n" not in str(caught.value)


def test_a_file_that_lists_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"photos\.zip is a file of a kind .* folder per class"):
        read_source(str(tmp_path / "photos.zip"))


def test_importing_the_data_modules_imports_nothing_heavy() -> None:
    code = (
        "import sys, kfine.inputs.image.loading, kfine.data.tfds, kfine.data.folder;"
        "import kfine.data.digits;"
        "heavy = {'tensorflow', 'keras', 'PIL', 'sklearn', 'tensorflow_datasets'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
