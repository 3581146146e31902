"""What a run costs: time, processor time, memory, energy, and money where a price is given."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfine.console import format_bytes, format_seconds
from kfine.runs.folder import RunFolder
from kfine.units import Price

# Counters of the processors' packages in microjoules, where Linux lets this user read them:
# https://docs.kernel.org/power/powercap/powercap.html
_COUNTERS = Path("/sys/class/powercap")
_JOULES = 1e-6
_HOUR = 3600.0


class CostClock:
    """Counts what a run costs, from where an earlier process left it, and keeps it in `run.json`.

    Args:
        folder: Of the run; `time_limit` (seconds) and `price` (text) are among what it says.
        counters: A folder with the energy counters of processors.
        now: Seconds on a clock that only goes forward.
    """

    def __init__(
        self, folder: RunFolder, counters: Path = _COUNTERS, now: Any = time.monotonic
    ) -> None:
        info = folder.info()
        self.folder = folder
        self.limit: float | None = info.get("time_limit")
        self._price = Price.read(info["price"]) if info.get("price") else None
        self._before: Mapping[str, Any] = info.get("cost", {})
        self._now, self._start = now, now()
        self._processor = time.process_time()
        self._energy = _Energy(counters)

    @property
    def seconds(self) -> float:
        """That the run has taken, in all processes."""
        return float(self._before.get("seconds", 0.0) + self._now() - self._start)

    def over(self) -> bool:
        """Whether the run has taken as long as it may."""
        return self.limit is not None and self.seconds >= self.limit

    def so_far(self) -> dict[str, Any]:
        """`seconds`, `cpu_seconds`, `peak_bytes`, `watt_hours` and `price`, as far as is known.

        `watt_hours` are those of the machine's processors, whatever else runs on them.
        """
        cpu = time.process_time() - self._processor
        found: dict[str, Any] = {
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self._before.get("cpu_seconds", 0.0) + cpu, 1),
        }
        peak = max(self._before.get("peak_bytes", 0), _peak())
        if peak:
            found["peak_bytes"] = peak
        joules = self._energy.joules()
        if joules is not None:
            before = self._before.get("watt_hours", 0.0)
            found["watt_hours"] = round(before + joules / _HOUR, 3)
        if self._price is not None:
            found["price"] = round(self._price.of(self.seconds), 4)
        return found

    def keep(self) -> None:
        """Write it into the run."""
        self.folder.update(cost=self.so_far())


def cost_sentence(info: Mapping[str, Any]) -> str:
    """What a run cost, in words; empty if it does not say.

    Args:
        info: Of `run.json`.
    """
    cost = info.get("cost")
    if not cost:
        return ""
    parts = [format_seconds(cost["seconds"])]
    parts.append(f"{format_seconds(cost['cpu_seconds'])} of processor time")
    if "peak_bytes" in cost:
        parts.append(f"{format_bytes(cost['peak_bytes'])} of memory")
    if "watt_hours" in cost:
        parts.append(f"{cost['watt_hours']:.1f} Wh of the machine's processors")
    if "price" in cost:
        parts.append(Price.read(info["price"]).words(cost["seconds"]))
    return ", ".join(parts)


def _peak() -> int:
    """Bytes that this process has held at most; 0 where that is not known."""
    try:
        import resource
        import sys
    except ImportError:
        # Windows has no such count.
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most * 1024)


class _Energy:
    """Joules since it was made, by counters that begin anew when they are full."""

    def __init__(self, counters: Path) -> None:
        self._last: dict[Path, int] = {}
        self._sum = 0.0
        for folder in counters.glob("intel-rapl:*"):
            # Their parts, such as intel-rapl:0:1, are counted in them.
            if folder.name.count(":") == 1:
                found = _number(folder / "energy_uj")
                if found is not None:
                    self._last[folder] = found

    def joules(self) -> float | None:
        """`None` without a counter."""
        for folder, last in self._last.items():
            found = _number(folder / "energy_uj")
            if found is None:
                continue
            full = _number(folder / "max_energy_range_uj") or 0
            self._sum += (found - last if found >= last else found + full - last) * _JOULES
            self._last[folder] = found
        return self._sum if self._last else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
