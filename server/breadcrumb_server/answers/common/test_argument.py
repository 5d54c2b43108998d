"""Check the names of tests in arguments."""

from __future__ import annotations

from breadcrumb_server.answers.common.text import counted, cut
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.tests import test_names, test_ranges
from breadcrumb_storage.queries.trace_reader import TraceReader

# Tests that an error lists.
_MAX_NAMED = 6


def check_test(reader: TraceReader, test: str) -> None:
    """Make sure that ``test`` names one or more tests of the trace.

    Raises:
        BreadcrumbError: It names none. The error lists tests of the trace, failed ones first.
    """
    if test_ranges(reader, test):
        return
    names = test_names(reader)
    if not names:
        raise BreadcrumbError(
            f"No test was seen in trace {reader.trace_id}, so none is named {cut(test, 200)!r}.",
            why="Tests are known where pytest or unittest runs them.",
            hint="Leave test out.",
        )
    named = ", ".join(cut(name, 150) for name in names[:_MAX_NAMED])
    more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    raise BreadcrumbError(
        f"Trace {reader.trace_id} has no test {cut(test, 200)!r}.",
        why=f"It has {counted(len(names), 'test')}: {named}{more}.",
        hint="Name one by its node id, by a part of that, or by a glob.",
    )
