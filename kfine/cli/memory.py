"""When memory does not suffice: known beforehand where it can be, and said in one sentence."""

from __future__ import annotations

from kfine.errors import RunError

# Below, native code ends the process, or hangs, while TensorFlow loads or starts its threads.
_LEAST = 4 * 10**9
# What libraries say whose error is no `MemoryError`.
_WORDS = (
    "failed to map segment",
    "cannot allocate memory",
    "can't start new thread",
    "std::bad_alloc",
    "OOM when allocating",
)


def require_address_space() -> None:
    """Refuse a limit of the address space (`ulimit -v`) under which TensorFlow cannot run.

    Raises:
        RunError: There is one.
    """
    limit = address_space()
    if limit is not None and limit < _LEAST:
        raise RunError(
            f"TensorFlow needs {_LEAST / 1e9:.0f} GB of address space or more; raise the limit "
            f"with `ulimit -v`. Received: {limit / 1e9:.1f} GB"
        )


def address_space() -> int | None:
    """The limit of the address space of this process in bytes, `None` without one."""
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def lacks_memory(error: BaseException) -> bool:
    """Whether an error, of Python or of a library, or its cause, says that memory ran out."""
    named = type(error).__name__ == "ResourceExhaustedError"
    if isinstance(error, MemoryError) or named or any(word in str(error) for word in _WORDS):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and lacks_memory(before)


def memory_sentence() -> str:
    """What to do where memory ran out."""
    limit = address_space()
    under = f" under the limit of {limit / 1e9:.1f} GB (`ulimit -v`)" if limit else ""
    return (
        f"There is not enough memory{under}: give it more, or choose a smaller --batch-size, "
        "smaller images, shorter texts or a smaller preset; a run that was interrupted goes on "
        "with `kfine fit --resume RUN`."
    )
