"""Stand in for pyperf: run a benchmark a fixed number of times in this process, and print the seconds of one.

``benchmarks.overhead`` puts it on the path as ``pyperf``. The real one starts processes of its own, calibrates, and
takes minutes. It runs in each measured Python, so its syntax is that of 3.8.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

__all__ = ["Runner", "perf_counter"]

# The number of repetitions; 1 if it is not given.
LOOPS = "BENCHMARK_LOOPS"


class Runner:
    """What benchmarks use of ``pyperf.Runner``."""

    def __init__(self, add_cmdline_args: Callable[[list[str], Any], None] | None = None) -> None:
        self.metadata: dict[str, object] = {}
        self.argparser = argparse.ArgumentParser()
        self.args: Any = None
        self._loops = int(os.environ.get(LOOPS, "1"))

    def parse_args(self) -> Any:
        """Return the options of the command line."""
        self.args = self.argparser.parse_args()
        return self.args

    def bench_func(self, name: str, function: Callable[..., object], *arguments: object) -> None:
        """Call *function* again and again."""
        started = perf_counter()
        for _ in range(self._loops):
            function(*arguments)
        self._tell(started)

    def bench_time_func(self, name: str, function: Callable[..., float], *arguments: object, **_: object) -> None:
        """Let *function* repeat itself."""
        started = perf_counter()
        function(self._loops, *arguments)
        self._tell(started)

    def bench_async_func(self, name: str, function: Callable[..., Any], *arguments: object, **_: object) -> None:
        """Run a coroutine function again and again, in one event loop."""

        async def repeat() -> None:
            for _ in range(self._loops):
                await function(*arguments)

        started = perf_counter()
        asyncio.run(repeat())
        self._tell(started)

    def _tell(self, started: float) -> None:
        print((perf_counter() - started) / self._loops)
