"""What an export may cost."""

from __future__ import annotations

from dataclasses import dataclass

from kfine.errors import ConfigError
from kfine.exporting.measuring.gate import Verdict


@dataclass(frozen=True)
class Limits:
    """What a file must keep to be used.

    Attributes:
        max_drop: Largest fall of the primary metric, a fraction.
        max_size: Bytes, `None` for any.
        max_latency: Median milliseconds an example on this machine, `None` for any.
        beats: Name of the trivial answer and its primary metric, which the file has to beat;
            `None` for any.
    """

    max_drop: float = 0.01
    max_size: int | None = None
    max_latency: float | None = None
    beats: tuple[str, float] | None = None

    def no_gain(self, verdict: Verdict) -> str:
        """That a file is no better than the trivial answer, a clause; empty if it is, or may be."""
        if self.beats is None or verdict.exported is None:
            return ""
        name, value = self.beats
        gain = verdict.exported - value if verdict.direction == "max" else value - verdict.exported
        if gain > 0:
            return ""
        return (
            f"it is no better than the trivial answer, {name.replace('_', ' ')}: {verdict.metric} "
            f"{verdict.exported:.3f} against {value:.3f}"
        )

    def broken(self, size_bytes: int, milliseconds: float | None) -> dict[str, str]:
        """What a file of that size and speed breaks: "size" or "latency" -> why, a clause."""
        reasons = {}
        if self.max_size and size_bytes > self.max_size:
            allowed = _megabytes(self.max_size)
            reasons["size"] = f"it has {_megabytes(size_bytes)}, more than the {allowed} allowed"
        if self.max_latency and milliseconds and milliseconds > self.max_latency:
            reasons["latency"] = (
                f"one example takes {milliseconds:.1f} ms, more than the {self.max_latency:g} "
                "allowed"
            )
        return reasons

    def words(self) -> str:
        """The promise in a few words."""
        parts = [f"a fall of at most {100 * self.max_drop:.1f} points"]
        if self.max_size:
            parts.append(_megabytes(self.max_size))
        if self.max_latency:
            parts.append(f"{self.max_latency:g} ms")
        return ", ".join(parts)

    def check_weights(self, weights: int) -> None:
        """Refuse a size that no quantization of so many weights can reach.

        Raises:
            ConfigError: Even four bits for each weight are more.
        """
        least = weights // 2
        if self.max_size and self.max_size < least:
            raise ConfigError(
                f"max_size {_megabytes(self.max_size)} contradicts the model: its "
                f"{weights / 1e6:.2f} million weights of 4 bits are {_megabytes(least)} already."
            )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.2f} MB"
