"""Find the code in which the probes are, when code of the program starts for the first time.

A probe at a line is looked for in a whole file as soon as anything of it runs, which is its module's body: so it is
known which function the line belongs to before, and even if, that function runs.
"""

from __future__ import annotations

from types import CodeType, FrameType

from ..globs import matches_function
from ..record_format import PROBE_ENTRY, PROBE_LINE
from ..runtime.features import HAS_CO_QUALNAME
from ..session.functions import module_of
from .probe import CodeProbes, is_anonymous, lines_of, nested_code, range_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

    from ..session.session import Session
    from .probe import Probe

# Limits: code that is known (programs can make code without end), places of one probe, lines of a function.
_MAX_KNOWN = 50_000
_MAX_CODES = 10
_MAX_LINES = 500


class ProbeFinder:
    """The code objects with probes in them.

    Args:
        session: Has the names and paths of code.
        probes: The probes of the run.
        when_found: Called when a probe is found, or known not to be where it was looked for.
    """

    def __init__(self, session: Session, probes: Sequence[Probe], when_found: Callable[[Probe], None]) -> None:
        self._session = session
        self._when_found = when_found
        self._at_lines = [probe for probe in probes if probe.kind == PROBE_LINE]
        self._of_functions = [probe for probe in probes if probe.kind != PROBE_LINE]
        self._last_names = {_last_name(probe.function) for probe in self._of_functions}
        self._of_files: Dict[Tuple[str, str], List[Probe]] = {}
        self._targets: Dict[int, CodeProbes] = {}
        self._searched: Dict[int, CodeType] = {}  # the parts of files that were searched for lines
        self._known: Dict[int, Tuple[CodeType, Optional[CodeProbes]]] = {}

    def starts(self, code: CodeType, frame: FrameType) -> Optional[CodeProbes]:
        """Return the probes in code that starts in *frame*; None if there are none."""
        known = self._known.get(id(code))
        if known is not None:
            return known[1]
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        module = module_of(frame)
        if self._of_functions and code.co_name in self._last_names:
            self._look_for_function(code, frame, module)
        if self._at_lines and id(code) not in self._searched:
            wanted = self._probes_of(module, code.co_filename, frame)
            if wanted:
                self._search(code, module, wanted)
        found = self._targets.get(id(code))
        self._known[id(code)] = (code, found)
        for probe in found.all() if found is not None else ():
            if not probe.started:
                probe.started = True
                self._when_found(probe)
        return found

    def _look_for_function(self, code: CodeType, frame: FrameType, module: str) -> None:
        name = self._session.names.qualified_name(code, frame)
        modules = self._modules_of(module, code.co_filename)
        for probe in self._of_functions:
            if not any([matches_function(each, name, probe.function) for each in modules]):
                continue
            found = self._target(code)
            probes = found.entry if probe.kind == PROBE_ENTRY else found.returns
            if probe not in probes:
                probes.append(probe)
            _add_code(probe.codes, self._describe(code, name, module))

    def _probes_of(self, module: str, filename: str, frame: FrameType) -> List[Probe]:
        key = (module, filename)
        found = self._of_files.get(key)
        if found is None:
            if len(self._of_files) >= _MAX_KNOWN:
                self._of_files.clear()
            found = self._of_files[key] = [
                probe for probe in self._at_lines if self._is_file_of(probe, module, filename, frame)
            ]
        return found

    def _is_file_of(self, probe: Probe, module: str, filename: str, frame: FrameType) -> bool:
        if filename.startswith("<"):  # code that a library generates, or a program that was given with -c
            return probe.module == module == "__main__" and "__file__" not in frame.f_globals
        if probe.module:
            modules = self._modules_of(module, filename)
            return any([each == probe.module or each.endswith("." + probe.module) for each in modules])
        path = self._session.include.absolute(filename)
        return path == probe.file if probe.file.startswith("/") else path.endswith("/" + probe.file)

    def _modules_of(self, module: str, filename: str) -> Sequence[str]:
        """Return the name of a module, and of the main one also the name by which others would import it."""
        if module != "__main__":
            return (module,)
        path = self._session.include.absolute(filename)
        return (module, path[: -len(".py")].replace("/", ".")) if path.endswith(".py") else (module,)

    def _search(self, code: CodeType, module: str, wanted: Sequence[Probe]) -> None:
        """Look for lines in code and all that is nested in it."""
        named: List[Tuple[CodeType, str]] = []  # functions and classes
        found: Set[int] = set()
        pending: List[Tuple[CodeType, str, Set[int]]] = [(code, _name(code, ""), set())]
        while pending:
            each, name, lines_around = pending.pop()
            if id(each) in self._searched:
                continue
            self._searched[id(each)] = each
            lines = lines_of(each)
            if not is_anonymous(each) and each is not code:
                named.append((each, name))
            for probe in wanted:
                if probe.line in lines and not (is_anonymous(each) and probe.line in lines_around):
                    self._target(each).lines.setdefault(probe.line, []).append(probe)
                    _add_code(probe.codes, self._describe(each, name, module))
                    found.add(id(probe))
            inner_prefix = "" if each.co_name == "<module>" else name + (".<locals>." if each.co_flags & 1 else ".")
            for nested in nested_code(each):
                pending.append((nested, _name(nested, inner_prefix), lines))
        for probe in wanted:
            if id(probe) not in found and code.co_name == "<module>":
                self._add_nearest(probe, named, code, module)
            self._when_found(probe)

    def _add_nearest(self, probe: Probe, named: Sequence[Tuple[CodeType, str]], body: CodeType, module: str) -> None:
        """Describe the innermost function around a line without code, else the nearest one and the module's body."""

        def distance(candidate: Tuple[CodeType, str]) -> Tuple[int, int]:
            first, last = range_of(candidate[0])
            return max(first - probe.line, probe.line - last, 0), -first

        if named:
            nearest, name = min(named, key=distance)
            _add_code(probe.nearest, self._describe(nearest, name, module))
            if distance((nearest, name))[0] == 0:
                return
        _add_code(probe.nearest, self._describe(body, _name(body, ""), module))

    def _target(self, code: CodeType) -> CodeProbes:
        target = self._targets.get(id(code))
        if target is None:
            target = self._targets[id(code)] = CodeProbes(code)
        return target

    def _describe(self, code: CodeType, name: str, module: str) -> Dict[str, Any]:
        return {
            "function": name,
            "module": module,
            "file": self._session.include.absolute(code.co_filename),
            "line": code.co_firstlineno,
            "lines": sorted(lines_of(code))[:_MAX_LINES],
        }


def _name(code: CodeType, prefix: str) -> str:
    if HAS_CO_QUALNAME:
        return code.co_qualname  # type: ignore[attr-defined, no-any-return, unused-ignore]
    return prefix + code.co_name


def _last_name(function: str) -> str:
    return function.replace(":", ".").rpartition(".")[2]


def _add_code(codes: List[Dict[str, Any]], description: Dict[str, Any]) -> None:
    if len(codes) < _MAX_CODES and description not in codes:
        codes.append(description)
