"""Define what the examination answers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from breadcrumb_server.answers.common.model import Section

Level = Literal["ok", "warning", "problem"]


class Finding(Section):
    """What one check found."""

    check: str
    level: Level
    found: str
    todo: str = Field(default="", description="what to do about it")


class Examination(Section):
    """All findings."""

    always_shown: ClassVar[frozenset[str]] = frozenset({"problems", "warnings", "findings"})

    problems: int = Field(description="number of findings that keep something from working")
    warnings: int = Field(description="number of findings that may do so")
    findings: list[Finding]


def ok(check: str, found: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(check=check, level="ok", found=found)


def warning(check: str, found: str, todo: str) -> Finding:
    """Return a finding that may keep something from working."""
    return Finding(check=check, level="warning", found=found, todo=todo)


def problem(check: str, found: str, todo: str) -> Finding:
    """Return a finding that keeps something from working."""
    return Finding(check=check, level="problem", found=found, todo=todo)
