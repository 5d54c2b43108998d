"""Find the moment that a question is most likely about: when the run failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breadcrumb_storage.queries.calls.chains import chains, recorded_chain
from breadcrumb_storage.queries.calls.paths import first_call_from
from breadcrumb_storage.queries.exception_filter import ExceptionFilter
from breadcrumb_storage.queries.exceptions import ExceptionRow, exception_groups, exceptions_by_id
from breadcrumb_storage.queries.test_results import FailedTest, failed_tests
from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class Moment:
    """The failure of a run, as far as calls tell of it.

    Attributes:
        chain: Ids of the calls that the exception was raised in, outermost first.
        first_call_id: The first call of the failed test; None if no test failed.
        last_call_id: The last one.
        statement_from: The first call that the failed test made at the line where it failed.
    """

    chain: Sequence[int] = ()
    first_call_id: int | None = None
    last_call_id: int | None = None
    statement_from: int | None = None

    @classmethod
    def of(cls, reader: TraceReader) -> Moment:
        """Find the first failed test, or else the exception that ended the run."""
        failed = failed_tests(reader, 1)
        if failed:
            return _of_test(reader, failed[0])
        wanted = ExceptionFilter(trace_id=reader.trace_id, include_handled=False, include_expected=False)
        groups, _, _ = exception_groups(reader.con, wanted, by_place=True, limit=1)
        if not groups:
            return cls()
        row = exceptions_by_id(reader, [groups[0].exception_id]).get(groups[0].exception_id)
        return cls(_chain(reader, row))

    def covers(self, call_id: int) -> bool:
        """Return whether a call ran under the failed test; true if no test failed."""
        if self.first_call_id is None or self.last_call_id is None:
            return True
        return self.first_call_id <= call_id <= self.last_call_id


def _of_test(reader: TraceReader, test: FailedTest) -> Moment:
    row = None
    if test.exception_id is not None:
        row = exceptions_by_id(reader, [test.exception_id]).get(test.exception_id)
    chain = [each for each in _chain(reader, row) if test.first_call_id <= each <= test.last_call_id]
    statement = _failed_at(reader, chain, row) if row is not None else None
    return Moment(chain, test.first_call_id, test.last_call_id, statement)


def _chain(reader: TraceReader, row: ExceptionRow | None) -> list[int]:
    if row is None or row.call_id is None:
        return []
    links = recorded_chain(reader, row.call_chain) if row.call_chain else chains(reader, [row.call_id])[row.call_id]
    return [link.call_id for link in links]


def _failed_at(reader: TraceReader, chain: Sequence[int], row: ExceptionRow) -> int | None:
    """Return the first call of the statement at which the outermost call of a chain stood when it failed."""
    links = recorded_chain(reader, list(chain[:2]))
    if not links:
        return None
    line = links[1].call_line if len(links) > 1 else row.line
    return None if line is None else first_call_from(reader, links[0].call_id, line)
