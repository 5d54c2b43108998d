"""Counts of instructions are compared with their bounds; one that a disturbance made is taken once more."""

from __future__ import annotations

import sys

import pytest
from benchmarks import instructions

BOUNDS = {"hot call": {"pure": 1_000, "c": 100}, "start": {"pure": 50}}


def test_a_program_has_grown_if_one_core_needs_a_tenth_more_than_its_bound() -> None:
    found = {"hot call": {"pure": 1_000, "c": 111}, "start": {"pure": 55, "c": 9}, "method": {"pure": 7}}
    assert instructions.grown_over(BOUNDS, found) == ["hot call"]


@pytest.mark.parametrize(("again", "code"), [(100, 0), (150, 1)])
def test_what_has_grown_is_measured_once_more_and_fails_if_it_has_grown_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path, capsys: pytest.CaptureFixture[str], again: int, code: int
) -> None:
    bounds = tmp_path / "bounds.json"
    bounds.write_text('{"hot call": {"pure": 1000, "c": 100}, "method": {"pure": 1000, "c": 100}}')
    counts = iter(
        [{"hot call": {"pure": 990, "c": 140}, "method": {"pure": 9, "c": 9}}, {"hot call": {"pure": 995, "c": again}}]
    )
    asked: list[list[str]] = []

    def measured(_python: str, names: list[str]) -> dict[str, dict[str, int]]:
        asked.append(names)
        return next(counts)

    monkeypatch.setattr(instructions, "BOUNDS", bounds)
    monkeypatch.setattr(instructions, "measured", measured)
    monkeypatch.setattr(sys, "argv", ["instructions", "--check", "--only", "hot call", "method"])
    assert instructions.main() == code
    assert asked == [["hot call", "method"], ["hot call"]]
    assert f"{min(again, 140)} instructions more" in capsys.readouterr().out
