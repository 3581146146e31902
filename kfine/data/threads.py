"""Threads that decode files: decoders let other threads run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

# Each thread holds one photo at its original size, 36 MB and more.
_MOST_THREADS = 16


@contextmanager
def decoding_threads() -> Iterator[ThreadPoolExecutor]:
    """A thread for each processor, gone at the end without what is still queued."""
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS), "kfine-decode")
    try:
        yield pool
    finally:
        # Ctrl-C must not wait for the thousands that are queued.
        pool.shutdown(wait=True, cancel_futures=True)
