"""The mistakes that a user can fix, each said in one sentence.

    KfineError              exit status 2
     ├─ ConfigError         a setting with an impossible name or value
     ├─ DataError           data that cannot be read or learned from
     ├─ PresetError         pretrained weights that are missing or do not fit
     ├─ RunError            a run folder that cannot be used this way
     ├─ ExportError         a file that cannot be converted or read back
     ├─ MissingPackage      an optional package that is not installed
     └─ GateRefused         exit status 3: measured, and not good enough

The message states what was wrong, what was received and what would work.
"""

from __future__ import annotations


class KfineError(Exception):
    """A mistake that a user can fix; the terminal prints its message without a traceback."""

    exit_code = 2


class ConfigError(KfineError):
    """A setting has an unknown name or an impossible value."""


class DataError(KfineError):
    """Data is missing, unreadable, or not enough to learn from."""


class PresetError(KfineError):
    """A preset is missing, unreachable, or made for another task."""


class RunError(KfineError):
    """A run folder cannot be used in the way that was asked for."""


class ExportError(KfineError):
    """A model cannot be converted, or an exported file cannot be read."""


class MissingPackage(KfineError):
    """An optional package is needed and not installed."""


class GateRefused(KfineError):
    """A quality gate measured the result and refused it."""

    exit_code = 3
