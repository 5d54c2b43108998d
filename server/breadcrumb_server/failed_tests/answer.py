"""Define the answer about tests that were run again."""

from __future__ import annotations

from pydantic import Field

from breadcrumb_server.answers.common.model import Answer, Table
from breadcrumb_server.answers.report.answer import RunReport


class RerunAnswer(Answer):
    """The failed tests of JUnit files, how they ended under the tracer, and the report of that run."""

    always_shown = frozenset({"failed_before", "failed_again", "passed_now"})

    junit: list[str] = Field(description="the files that were read")
    failed_before: int = Field(description="failed tests in the files")
    failed_again: int = 0
    passed_now: int = Field(default=0, description="tests that are flaky, or depend on tests that ran before them")
    tests: Table | None = Field(
        default=None,
        description="each test, with its outcome and message in the file, and its outcome under the tracer",
    )
    not_run: Table | None = Field(default=None, description="failed tests that were not run again, and why")
    trace_id: str = ""
    database: str = Field(default="", description="the file of the database, which --db-path asks")
    report: RunReport | None = None
