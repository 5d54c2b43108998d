from __future__ import annotations

from breadcrumb_storage.errors import BreadcrumbError


def test_an_error_reads_as_what_happened_then_why_then_what_to_do():
    error = BreadcrumbError("It failed.", why="Because.", hint="Do that.")
    assert str(error) == "It failed.\nBecause.\nDo that."
    assert str(BreadcrumbError("It failed.", hint="Do that.")) == "It failed.\nDo that."
