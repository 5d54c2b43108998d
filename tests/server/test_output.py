from __future__ import annotations

from breadcrumb.capture.secret_redactor import Redactor
from breadcrumb_server.output import KEPT_HEAD_BYTES, KEPT_TAIL_BYTES, OutputCapture


def test_short_output_is_kept_whole() -> None:
    capture = OutputCapture()
    for part in (b"one\n", b"", b"two \xff\x00\n"):
        capture.feed(part)
    assert capture.text(Redactor()) == "one\ntwo \ufffd\\x00\n"
    assert capture.total_bytes == 11


def test_of_long_output_the_middle_goes_and_is_counted() -> None:
    capture = OutputCapture()
    capture.feed(b"first line\n")
    for number in range(200_000):
        capture.feed(b"line %d\n" % number)
    text = capture.text(Redactor())
    assert text.startswith("first line\nline 0\n")
    assert text.endswith("line 199999\n")
    assert "bytes left out" in text
    assert len(text) < 17_000


def test_memory_stays_bounded_however_much_is_printed() -> None:
    capture = OutputCapture()
    for _ in range(100):
        capture.feed(b"x" * 100_000)
    kept = len(capture._head) + capture._tail_bytes
    assert kept <= KEPT_HEAD_BYTES + KEPT_TAIL_BYTES + 100_000
    assert capture.total_bytes == 10_000_000


def test_secrets_are_redacted_also_where_the_stored_text_begins() -> None:
    redactor = Redactor()
    redactor.learn("hunter2-hunter2")
    capture = OutputCapture()
    capture.feed(b"hunter2-hunter2 " * 100_000)
    assert "hunter2" not in capture.text(redactor)
