"""Read the failed tests out of JUnit files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from breadcrumb_server.answers.common.text import one_line
from breadcrumb_storage.errors import BreadcrumbError

# A file with the captured output of a large suite has tens of megabytes; parsing takes a second for each 50 MB.
MAX_FILE_BYTES = 200_000_000
MAX_MESSAGE_CHARS = 200
_CHUNK_BYTES = 1_000_000

FAILED, ERROR = "failed", "error"
_RESULTS = {"failure": FAILED, "error": ERROR}


@dataclass(frozen=True, slots=True)
class FailedCase:
    """A test that failed, as its runner named it.

    Attributes:
        classname: The module and the classes of the test, joined with dots; empty for a file that was not collected.
        name: The function with its parameters, or the file that was not collected.
        file: The file of the test, if the runner wrote it.
        outcome: ``failed`` or ``error``.
        message: The first words of the failure.
    """

    classname: str
    name: str
    file: str
    outcome: str
    message: str

    @property
    def full_name(self) -> str:
        """Return the names of the class and the test, for a reader."""
        return f"{self.classname}.{self.name}" if self.classname else self.name


@dataclass(slots=True)
class JUnitFile:
    """A JUnit file as it was read.

    Attributes:
        path: The file.
        content: Its bytes.
        tests: Number of tests in it.
        failed: The tests that failed, each once.
    """

    path: Path
    content: bytes
    tests: int
    failed: list[FailedCase]


def read_junit_files(paths: Sequence[Path]) -> list[JUnitFile]:
    """Read JUnit files.

    Args:
        paths: Files, and folders whose ``*.xml`` files are read.

    Raises:
        BreadcrumbError: A file is missing, too large or no JUnit file.
    """
    return [_read(file) for path in paths for file in _files_of(path)]


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.xml"))
    if not files:
        raise BreadcrumbError(f"The folder {path} holds no .xml file.", hint="Give the file that the tests wrote.")
    return files


def _read(path: Path) -> JUnitFile:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_FILE_BYTES else b""
    except FileNotFoundError:
        raise BreadcrumbError(
            f"There is no file {path}.",
            why="The tests did not write it: they did not start, were killed, or wrote it elsewhere.",
            hint="Run them with `pytest --junitxml=junit.xml`, and give the same path.",
        ) from None
    except OSError as error:
        raise BreadcrumbError(f"{path} cannot be read.", why=str(error)) from error
    if size > MAX_FILE_BYTES:
        raise BreadcrumbError(
            f"{path} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read.",
            hint="Leave the output of the tests out of it: `pytest -o junit_logging=no`.",
        )
    handler = _Handler()
    parser = ElementTree.XMLParser(target=handler)
    try:
        for start in range(0, len(content), _CHUNK_BYTES):
            parser.feed(content[start : start + _CHUNK_BYTES])
        parser.close()
    except (ElementTree.ParseError, ValueError) as error:
        raise BreadcrumbError(
            f"{path} is no JUnit file that can be read.",
            why=f"{error}." if content.strip() else "It is empty: the tests were killed before they wrote it.",
        ) from error
    return JUnitFile(path, content, handler.tests, list(handler.failed.values()))


class _Handler:
    """Collect the failed tests from the parser's events: no tree is made of a large suite.

    The parser of the standard library suffices. It loads nothing from elsewhere, and without a document type, which is
    refused, there are no entities that could make a small file huge.
    """

    def __init__(self) -> None:
        self.tests = 0
        # A test that failed and then failed in its teardown has two entries: the first one tells more.
        self.failed: dict[tuple[str, str], FailedCase] = {}
        self._case: dict[str, str] | None = None
        self._outcome = ""
        self._message = ""
        self._reads_text = False
        self._has_root = False

    def doctype(self, name: str, public_id: str | None, system: str | None) -> None:
        """Refuse a document type."""
        raise ValueError("it declares a document type, which no JUnit file does")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Note where a test, or its failure, begins."""
        tag = _local_name(tag)
        if not self._has_root and tag not in ("testsuites", "testsuite"):
            raise ValueError(f"its root is <{tag}>, and not <testsuites> or <testsuite>")
        self._has_root = True
        if tag == "testcase":
            self.tests += 1
            self._case, self._outcome, self._message = attributes, "", ""
        elif tag in _RESULTS and self._case is not None and not self._outcome:
            self._outcome = _RESULTS[tag]
            self._message = attributes.get("message", "") or attributes.get("type", "")
            self._reads_text = not attributes.get("message")

    def data(self, text: str) -> None:
        """Take the beginning of a failure's text, if it has no message."""
        if self._reads_text and len(self._message) < MAX_MESSAGE_CHARS:
            self._message += f" {text}"

    def end(self, tag: str) -> None:
        """Add a test that has a failure."""
        tag = _local_name(tag)
        if tag in _RESULTS:
            self._reads_text = False
        if tag != "testcase" or self._case is None:
            return
        if self._outcome:
            case = FailedCase(
                classname=self._case.get("classname", ""),
                name=self._case.get("name", ""),
                file=self._case.get("file", ""),
                outcome=self._outcome,
                message=one_line(self._message, MAX_MESSAGE_CHARS),
            )
            self.failed.setdefault((case.classname, case.name), case)
        self._case = None


def _local_name(tag: str) -> str:
    """Return the name of an element without its namespace."""
    return tag.rpartition("}")[2]
