from __future__ import annotations

import base64

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


def running(*parts: bytes, redactor: Redactor | None = None) -> str:
    capture = OutputCapture()
    for part in parts:
        capture.feed(part)
    return capture.running_text(redactor or Redactor())


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"", ""),
        (b"ready\n", "ready\n"),
        (b"ready", "ready"),  # a program that flushes what has no end of a line
        (b"tests/test_cart.py ..F..", "tests/test_cart.py ..F.."),
        (b"Continue? [y/N] ", "Continue? [y/N] "),
        (b"Step 3 of 5 and on", "Step 3 of 5 and on"),
        (b"a1 b2 of 5 c3", "a1 b2 of "),
        ("done ✓\n".encode()[:-2], "done "),  # in the middle of a character
        (b"\x1b[1;32mgreen\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "green link\n"),
        (b"and red: \x1b[3", "and red: "),  # in the middle of a colour
        (b"a\x00b\n", "a\\x00b\n"),
    ],
)
def test_output_of_a_running_program_is_shown_up_to_what_it_wrote_last(written: bytes, shown: str) -> None:
    assert running(written) == shown


LEARNED = "correct horse-battery 99 staple"
GITHUB = "ghp" + "_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
SPELLED = {
    "learned before, of several words": (f"logging in with {LEARNED} now\n", LEARNED),
    "learned before, of several lines": ("one -first-line-7\n-second-line-8 two\n", "-first-line-7\n-second-line-8"),
    "learned before, in base64": ("send " + base64.b64encode(LEARNED.encode()).decode() + "\n", "Y29ycmVjdCBob3JzZS1"),
    "known by its shape": (f"using {GITHUB} today\n", GITHUB[4:]),
    "known by the name before it": ("db password = hunter2hunter\n", "hunter2hunter"),
    "a header": ("Authorization: Digest abcdefgh\n", "abcdefgh"),
    "quoted after its name": ("{'api_key': 'plain text words'}\n", "plain text words"),
    "in a URL": ("postgres://user:open1sesame@host/db\n", "open1sesame"),
    "a card number": ("card 4111 1111 1111 1111 charged\n", "4111 1111 1111 1111"),
    "coloured in part": (f"with \x1b[1m{LEARNED[:9]}\x1b[0m{LEARNED[9:]} now\n", LEARNED),
}


@pytest.mark.parametrize("name", SPELLED)
def test_no_part_of_a_secret_is_shown_wherever_a_running_program_pauses_within_it(name: str) -> None:
    text, secret = SPELLED[name]
    redactor = Redactor()
    for learned in (LEARNED, "-first-line-7\n-second-line-8"):
        redactor.learn_exactly(learned)
    parts = {secret[at : at + 4] for at in range(len(secret) - 3)}
    for end in range(len(text) + 1):
        shown = running(text[:end].encode(), redactor=redactor)
        assert not [part for part in parts if part in shown], shown
    assert "[REDACTED]" in running(text.encode(), redactor=redactor)


def test_of_megabytes_written_by_a_running_program_the_end_is_read_in_little_time() -> None:
    capture = OutputCapture()
    for number in range(200_000):
        capture.feed(b"line %d\n" % number)
    redactor = CountingRedactor()
    text = capture.running_text(redactor)
    assert text.endswith("line 199998\nline 199999\n")
    assert text.splitlines()[1] == "[... about 2,274,890 bytes left out ...]"
    assert redactor.chars < 40_000
    assert capture.running_text(redactor) == text
    capture.feed(b"more\n")
    assert capture.running_text(redactor).endswith("more\n")


@pytest.mark.parametrize("unit", [b".", b"x", b"1 ", b". ", b"\x1b", b"\x1b]", b"a."], ids=repr)
def test_a_line_without_end_takes_no_more_than_a_look_at_each_character(unit: bytes) -> None:
    matched = running(unit * 500_000)  # quadratic work would take minutes
    assert len(matched) < 20_000


def test_a_secret_learned_after_a_look_is_redacted_at_the_next() -> None:
    capture, redactor = OutputCapture(), Redactor()
    capture.feed(b"token is not-known-yet-77\n")
    capture.feed(b"value sesame-sesame-77\n")
    assert "sesame-sesame-77" in capture.running_text(redactor)
    redactor.learn_exactly("sesame-sesame-77")
    assert "sesame" not in capture.running_text(redactor)


def test_colours_are_taken_out_of_the_stored_output_too() -> None:
    redactor = Redactor()
    redactor.learn_exactly(LEARNED)
    capture = OutputCapture()
    capture.feed(f"\x1b[31mwith {LEARNED[:9]}\x1b[0m{LEARNED[9:]}\x1b[K\n".encode())
    assert capture.text(redactor) == "with [REDACTED]\n"


class CountingRedactor(Redactor):
    """Counts the characters that it is asked to search."""

    chars = 0

    def redact_text(self, text: str) -> str:
        self.chars += len(text)
        return super().redact_text(text)
