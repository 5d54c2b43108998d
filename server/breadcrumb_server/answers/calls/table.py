"""Render the calls of a page as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from breadcrumb_server.answers.common.budget import first_texts
from breadcrumb_server.answers.common.model import Cell
from breadcrumb_server.answers.common.parsed_json import is_object, parsed_object, parsed_value
from breadcrumb_server.answers.common.text import milliseconds, one_line
from breadcrumb_server.answers.rendering.calls import result_text
from breadcrumb_server.answers.rendering.identities import identity_of
from breadcrumb_server.answers.rendering.layout import LOW_PRIORITY_CHARS, cut_value, pairs_text
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_server.answers.rendering.notation import Node, ValueTree, named_values
from breadcrumb_storage.queries.calls import records as queries
from breadcrumb_storage.queries.tests import tests_of_calls
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import list_processes, thread_names

COLUMNS = ["call_id", "function", "args", "result", "outcome", "ms", "caller", "callees"]
# Columns of which each row has its own value, whatever it is.
OWN_COLUMNS = frozenset({"call_id", "ms"})
# Callees of a call that are named.
MAX_CALLEES = 6
# Characters up to which an argument that says little is whole in the first call of its function.
MAX_SHOWN_ONCE_CHARS = 120
# Characters of an argument that is equal in all rows.
MAX_SAME_CHARS = 300
# Characters of a caller, or of all callees: they are names to follow, and the room is for the values.
MAX_SIDE_CHARS = 160


class CallRows:
    """The calls of a page with all that their rows show.

    Args:
        reader: The trace.
        ids: Ids of the calls, in the order of the rows.
    """

    def __init__(self, reader: TraceReader, ids: Sequence[int]) -> None:
        found = queries.calls_by_id(reader, ids)
        self.calls = [found[call_id] for call_id in ids]
        self._parents = queries.calls_by_id(reader, [c.parent_call_id for c in self.calls if c.parent_call_id])
        self._callees = queries.callees(reader, ids)
        processes = [process.process_id for process in list_processes(reader)]
        self._threads = thread_names(reader, processes)
        self._many_processes = len(processes) > 1
        self._many_threads = len(self._threads) > max(len(processes), 1)
        self._tasks = any(each.task for each in self.calls)
        self._tests = tests_of_calls(reader, ids)
        self._many_tests = len({self._tests.get(call_id) for call_id in ids}) > 1
        optional = {
            "process": self._many_processes,
            "thread": self._many_threads,
            "task": self._tasks,
            "test": self._many_tests,
        }
        self.columns = [*COLUMNS, *(name for name, is_shown in optional.items() if is_shown)]
        self._lines: Mapping[int, int] = {}
        self._arguments = {each.call_id: named_values(each.args) for each in self.calls}
        self._low_priority: dict[str, set[str]] = {}  # by function
        self._differing: dict[str, dict[str, set[str]]] = {}  # by function and argument: fields
        self._shown_first: set[int] = set()  # the first call of each function on the page
        self._same = self._equal_arguments()
        self._compare_arguments()
        self._shown: dict[int, Sequence[tuple[str, ValueTree]]] = {}  # arguments as the rows show them
        self._mentions: dict[int, Mentions] = {}  # the objects that are known where the result of a call is shown
        self._reduce_objects()

    def _reduce_objects(self) -> None:
        """Leave out what the rows before have shown of an argument or a result that is an object."""
        mentions = Mentions(object_chars=None)
        for each in self.calls:
            self._shown[each.call_id] = [pair for pair in mentions.pairs(each.args) if pair[0] not in self._same]
            # Objects inside other values may be cut: they count as not shown.
            mentions.shown(
                " ".join(identity_of(value) for value in parsed_object(each.args).values() if is_object(value))
            )
            self._mentions[each.call_id] = mentions.copy()
            returned = parsed_value(each.return_value)
            if is_object(returned):
                mentions.tree(returned)
                mentions.shown(identity_of(returned))

    def _equal_arguments(self) -> dict[str, ValueTree]:
        """Take the arguments that are equal in all of several calls out of these, and return them."""
        first, *others = [dict(self._arguments[each.call_id]) for each in self.calls] or [{}]
        same = {name: value for name, value in first.items() if all(call.get(name) == value for call in others)}
        if not others or not same:
            return {}
        for call_id, pairs in self._arguments.items():
            self._arguments[call_id] = [pair for pair in pairs if pair[0] not in same]
        return same

    def same(self, chars: int) -> dict[str, Cell]:
        """Return the arguments that are equal in all rows, with values of at most ``chars`` characters."""
        return {f"args.{name}": cut_value(value, min(chars, MAX_SAME_CHARS)) for name, value in self._same.items()}

    def _compare_arguments(self) -> None:
        """Find, by function, the arguments that say little in most calls of the page, and the fields that differ.

        Little is said by an argument that is equal in all calls, once the first has shown it, and by self or cls.
        """
        by_function: dict[str, list[queries.CallRow]] = {}
        for each in self.calls:
            by_function.setdefault(self._name(each), []).append(each)
        for name, rows in by_function.items():
            self._shown_first.add(rows[0].call_id)
            calls = [self._arguments[each.call_id] for each in rows]
            if len(calls) > 1:
                same = set(calls[0]).intersection(*map(set, calls[1:]))
                first = {pairs[0][0] for pairs in calls if pairs and len(pairs) + len(self._same) > 1}
                self._low_priority[name] = {argument for argument, _ in same} | (first & {"self", "cls"})
                self._differing[name] = _differing_fields(calls)

    @staticmethod
    def _name(each: queries.CallRow) -> str:
        return f"{each.module}:{each.name}"

    def add_lines_column(self, executed: Mapping[int, int]) -> None:
        """Add a column with the number of executed lines.

        Args:
            executed: Number of executed lines by call id; no column is added if it is empty.
        """
        self._lines = executed
        if executed:
            self.columns.append("lines")

    def first_cut(self, count: int, chars: int) -> int | None:
        """Return the first call of these rows with a value that is cut, judged by the length of its record."""
        return next((each.call_id for each in self.calls[:count] if self._is_cut(each, chars)), None)

    def _is_cut(self, each: queries.CallRow, chars: int) -> bool:
        return max(len(each.args or ""), len(each.return_value or "")) > chars or any(
            len(value) > LOW_PRIORITY_CHARS and name in self._low_priority_of(each)
            for name, value in self._shown[each.call_id]
        )

    def row(self, each: queries.CallRow, chars: int) -> list[Cell]:
        """Render the row of a call of the page, with values of at most ``chars`` characters."""
        side = min(chars, MAX_SIDE_CHARS)
        row: list[Cell] = [
            each.call_id,
            one_line(self._name(each), side),
            pairs_text(
                self._shown[each.call_id],
                chars,
                self._low_priority_of(each),
                self._differing.get(self._name(each), {}),
            ),
            result_text(each, chars, self._mentions[each.call_id].copy()),
            each.outcome,
            milliseconds(each.duration_ns),
            self._caller(each, side),
            self._callee_names(each, side),
        ]
        if self._many_processes:
            row.append(each.process_id)
        if self._many_threads:
            row.append(self._threads.get((each.process_id, each.thread_id), str(each.thread_id))[:side])
        if self._tasks:
            row.append(one_line(each.task or "", side))
        if self._many_tests:
            row.append(one_line(self._tests.get(each.call_id, ""), side))
        if self._lines:
            row.append(self._lines.get(each.call_id))
        return row

    def _low_priority_of(self, each: queries.CallRow) -> set[str]:
        low_priority = self._low_priority.get(self._name(each), set())
        if each.call_id not in self._shown_first:
            return low_priority
        long = {name for name, value in self._arguments[each.call_id] if len(value) > MAX_SHOWN_ONCE_CHARS}
        return low_priority & (long | {"self", "cls"})

    def _caller(self, each: queries.CallRow, chars: int) -> str:
        parent = self._parents.get(each.parent_call_id or 0)
        if parent is None:
            return ""
        line = f":{each.call_line}" if each.call_line else ""
        return one_line(f"{parent.module}:{parent.name}{line}", chars)

    def _callee_names(self, each: queries.CallRow, chars: int) -> str:
        names = self._callees.get(each.call_id, [])
        shown = first_texts(
            names, MAX_CALLEES, text=lambda each: each[0] if each[1] == 1 else f"{each[0]} x{each[1]:,}"
        )
        return one_line(", ".join(shown), chars)


def without_equal_columns(
    columns: Sequence[str], rows: Sequence[list[Cell]]
) -> tuple[list[str], list[list[Cell]], dict[str, Cell]]:
    """Take the columns that are equal in all of several rows out of a table.

    Returns:
        The other columns, the rows without those taken out, and the values of these, without empty ones.
    """
    equal = {
        at
        for at, name in enumerate(columns)
        if len(rows) > 1 and name not in OWN_COLUMNS and all(row[at] == rows[0][at] for row in rows)
    }
    kept = [at for at in range(len(columns)) if at not in equal]
    same = {columns[at]: rows[0][at] for at in sorted(equal) if rows[0][at] not in (None, "")}
    return [columns[at] for at in kept], [[row[at] for at in kept] for row in rows], same


def _differing_fields(calls: Sequence[Sequence[tuple[str, ValueTree]]]) -> dict[str, set[str]]:
    """Return the names of the fields that are not equal in all calls, by argument."""
    values: dict[str, list[set[tuple[str, str]]]] = {}
    for pairs in calls:
        for argument, value in pairs:
            if isinstance(value, Node):
                values.setdefault(argument, []).append({(name, str(part)) for name, part in value.parts})
    return {
        argument: {name.rstrip("=: ") for name, _ in each[0].union(*each[1:]) - each[0].intersection(*each[1:])}
        for argument, each in values.items()
    }
