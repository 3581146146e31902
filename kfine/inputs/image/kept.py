"""Photos that are slow to decode, kept resized for the next time that they are read."""

from __future__ import annotations

import threading
from contextlib import suppress

import numpy as np

from kfine.data.cache import cache_folder, make_room
from kfine.data.records import Image
from kfine.data.row_cache import DamagedRows, RowCache
from kfine.errors import RunError

# Seconds of processor time. Reading a kept photo takes a hundredth of that.
SLOW = 0.01
# To be raised when `decode_image` or `resize_image` gives other pixels.
_VERSION = 2
_SEGMENT_BYTES = 64e6


class KeptImages:
    """The photos of one size in the shared cache folder, found by the hash of their files.

    `fit`, `evaluate` and `export` of a run all read the same photos, and a phone's take a tenth of
    a second each. Threads may use it together. What cannot be kept, on a full disk or above the
    cache's limit, is decoded again the next time.

    Args:
        size: Height and width in pixels.
        white: As in `decode_image`.
    """

    def __init__(self, size: tuple[int, int], white: float | None = None) -> None:
        from PIL import __version__ as pillow

        height, width = size
        # Another version of the decoder, or of what is done with its pixels, may round otherwise.
        name = f"{height}x{width}-pillow-{pillow}-{_VERSION}"
        if white is not None:
            name += f"-white-{white:g}"
        folder = cache_folder() / "images" / name
        self._cache = RowCache(folder)
        self._about = {"images": f"{height} x {width}"}
        self._new: dict[str, Image] = {}
        self._used = False
        self._lock = threading.Lock()

    def find(self, digest: str) -> Image | None:
        """A photo, uint8 `(height, width, 3)`, by the SHA-256 of its file; `None` if not kept."""
        if digest not in self._cache:
            return None
        try:
            found: Image = self._cache.rows([digest], 0).take([0], 0)[0]
        except (DamagedRows, OSError):
            return None
        self._used = True
        return found

    def add(self, digest: str, image: Image, seconds: float) -> None:
        """Keep a photo, unless it was quick to decode.

        Args:
            digest: SHA-256 of its file.
            image: uint8 `(height, width, 3)`.
            seconds: Of the processor that decoding took.
        """
        if seconds < SLOW:
            return
        with self._lock:
            self._new[digest] = image
            if len(self._new) * image.nbytes > _SEGMENT_BYTES:
                self._write()

    def close(self) -> None:
        """Write what is new, and note that the rest was used."""
        self._write()
        if self._used:
            with suppress(RunError):
                self._cache.describe(self._about)

    def _write(self) -> None:
        new, self._new = self._new, {}
        if not new:
            return
        images = list(new.values())
        with suppress(RunError):
            if make_room(sum(one.nbytes for one in images), [self._cache.folder]):
                self._cache.describe(self._about)
                self._cache.write(list(new), [np.stack(images)])
