from __future__ import annotations

import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.runs.output import KEPT_HEAD_BYTES, KEPT_TAIL_BYTES, OutputCapture


def test_short_output_is_kept_whole() -> None:
    capture = OutputCapture()
    for part in (b"one\n", b"", b"two \xff\x00\n"):
        capture.feed(part)
    assert capture.text(Redactor()) == "one\ntwo \ufffd\\x00\n"
    assert capture.total_bytes == 11


def test_the_middle_of_a_long_output_is_replaced_by_its_size() -> None:
    capture = OutputCapture()
    capture.feed(b"first line\n")
    for number in range(200_000):
        capture.feed(b"line %d\n" % number)
    text = capture.text(Redactor())
    assert text.startswith("first line\nline 0\n")
    assert text.endswith("line 199999\n")
    assert "bytes left out" in text
    assert len(text) < 17_000


def test_memory_stays_bounded_for_any_amount_of_output() -> None:
    capture = OutputCapture()
    for _ in range(100):
        capture.feed(b"x" * 100_000)
    kept = len(capture._head) + capture._tail_bytes
    assert kept <= KEPT_HEAD_BYTES + KEPT_TAIL_BYTES + 100_000
    assert capture.total_bytes == 10_000_000


def test_secrets_are_redacted_at_the_edges_of_the_stored_text() -> None:
    redactor = Redactor()
    redactor.learn("hunter2-hunter2")
    capture = OutputCapture()
    capture.feed(b"hunter2-hunter2 " * 100_000)
    assert "hunter2" not in capture.text(redactor)


@pytest.mark.parametrize("between", [" ", "\n"])
def test_no_part_of_a_secret_is_kept_beside_the_left_out_middle(between: str) -> None:
    # The redaction mark is much shorter than the secret, so the edges of the buffers become part of the stored text.
    secret = "".join(f"{number:04d}x" for number in range(100))
    redactor = Redactor()
    redactor.learn(secret)
    for shift in range(0, 500, 70):
        capture = OutputCapture()
        for part in (b"-" * shift, *[f"{secret}{between}".encode()] * 3000, b"-" * shift):
            capture.feed(part)
        text = capture.text(redactor)
        assert "bytes left out" in text and "[REDACTED]" in text
        parts = {secret[at : at + 12] for at in range(len(secret) - 11)}
        assert not any(part in text for part in parts)


def test_no_part_of_a_key_is_kept_beside_the_left_out_middle() -> None:
    lines = "\n".join(f"{number:060d}Abc" for number in range(40))
    key = f"-----BEGIN PRIVATE {'KEY'}-----\n{lines}\n-----END PRIVATE {'KEY'}-----\n"
    capture = OutputCapture()
    for _ in range(200):
        capture.feed(key.encode())
    assert "0Abc" not in capture.text(Redactor())


def test_a_secret_in_utf_16_is_redacted() -> None:
    redactor = Redactor()
    redactor.learn("hunter2-hunter2")
    capture = OutputCapture()
    capture.feed("say hunter2-hunter2".encode("utf-16-le"))
    assert capture.text(redactor) == "[REDACTED]"
