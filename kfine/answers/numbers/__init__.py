"""Numbers with units."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "NumberCells": "reader",
        "Numbers": "numbers",
        "Part": "numbers:Numbers",
        "columns_and_units": "reader",
    },
)
