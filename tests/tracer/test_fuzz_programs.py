"""Test with random programs that the recorded calls are the true ones, and that programs behave as untraced."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from random_programs import module_of, programs
from spool_reader import TARGETS, Call, Spool, Trace

# Each example is a file with several programs. To search longer: BREADCRUMB_FUZZ_EXAMPLES=200 python3 -m pytest ...
EXAMPLES = os.environ.get("BREADCRUMB_FUZZ_EXAMPLES")
fuzz = settings(
    max_examples=int(EXAMPLES or 3),
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

OUTCOMES = {0: "returned", 1: "raised", 2: "cancelled", None: "never ended"}

# Code inside a function that cannot report: before 3.12 a comprehension is a call, afterwards part of the function.
PART_OF_THE_CALLER = re.compile(r"<(listcomp|genexpr)>$")
# Arguments that the programs do not report.
NOT_REPORTED = {"self", "cls", "function", "kind", "error", "traceback"}
MODULE_LEVEL_CLASS = re.compile(r"p\d+_(manager|class)\d+$")


@fuzz
@given(texts=st.lists(programs(), min_size=1, max_size=40))
def test_the_recorded_tree_of_a_random_program_is_the_true_one(python: str, trace: Trace, texts: list[str]) -> None:
    text = module_of(texts, str(TARGETS))
    traced = trace(python, text)
    untraced = trace(python, text, env={"BREADCRUMB_TRACE": ""})
    assert (traced.stdout, traced.stderr, traced.exit_code) == (untraced.stdout, untraced.stderr, 0)
    truths = [json.loads(line) for line in traced.stdout.splitlines()]
    recorded = Recorded(traced)
    for number, truth in enumerate(truths):
        assert recorded.of_program(f"p{number}", truth["contexts"]) == truth


class Recorded:
    """The calls and exceptions of a spool, in the form of call_truth.py."""

    def __init__(self, spool: Spool) -> None:
        self._messages = {e["id"]: e["message"] for e in spool.of("exception")}
        self._exceptions = [e for e in spool.of("exception") if e["type"].startswith("call_truth.")]
        self._own = {e["id"] for e in self._exceptions}
        self._fates = dict.fromkeys(self._own, "")
        for event in spool.events:
            if event["k"] == "handled":
                self._fates[event["id"]] = event["function"] or ""
            elif event["k"] == "uncaught":
                self._fates[event["id"]] = "uncaught"
        self._children: dict[int, list[Call]] = {}
        for call in sorted(spool.calls, key=lambda call: call.call):
            self._children.setdefault(call.parent, []).append(call)
        module = next(call for call in self._children[0] if call.function == "<module>")
        self._roots = [call for call in self._children[module.call] if not MODULE_LEVEL_CLASS.match(call.function)]
        self._roots += [call for call in self._children[0] if call is not module]

    def of_program(self, name: str, explained: Iterable[str]) -> dict[str, Any]:
        """Return the calls and exceptions of one program.

        Args:
            name: The program's name, which begins those of its functions and exceptions.
            explained: The messages of exceptions whose cause and context are compared.
        """
        roots = [self._tree(call) for call in self._roots if re.match(rf"{name}(\D|$)", call.function)]
        exceptions = [e for e in self._exceptions if e["message"].startswith(f"{name}.")]
        raised = {e["message"]: [e["type"].removeprefix("call_truth."), e["function"]] for e in exceptions}
        assert len(raised) == len(exceptions), "an exception is recorded twice"
        return {
            "roots": sorted(roots, key=json.dumps),
            "raised": raised,
            "fates": {e["message"]: self._fates[e["id"]] for e in exceptions},
            "contexts": {
                e["message"]: [self._own_message(e["cause"]), self._own_message(e["context"])]
                for e in exceptions
                if e["message"] in explained
            },
        }

    def _own_message(self, exception_id: int | None) -> str:
        return self._messages[exception_id] if exception_id in self._own else ""

    def _tree(self, call: Call) -> list[Any]:
        args = {name: value for name, value in call.args.items() if name not in NOT_REPORTED}
        exception = self._messages.get(call.exception) if call.outcome == 1 else None
        children = list(self._reported_children(call))
        return [call.function, args, OUTCOMES[call.outcome], call.value, exception, [self._tree(c) for c in children]]

    def _reported_children(self, call: Call) -> Iterator[Call]:
        for child in self._children.get(call.call, ()):
            if PART_OF_THE_CALLER.search(child.function):
                yield from self._reported_children(child)
            else:
                yield child
