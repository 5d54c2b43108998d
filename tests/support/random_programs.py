"""Generate random programs for the tracer: each reports its own calls to tests/targets/call_truth.py.

A program is a function over a few units (functions, generators, coroutines, classes and others). A unit calls only
later ones, so that the program ends. ``PROGRAM`` in its names is a placeholder. Statements that suspend or return early
report that; ``Truth`` derives which calls an exception ends.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

PREAMBLE = """
import asyncio, contextlib, json, sys, threading
sys.path.insert(0, {targets!r})
from call_truth import E1, E2, E3, Truth
"""

RUN = """
for program in ({programs}):
    T = Truth(program.__name__)
    threading.excepthook = T.thread_died
    sys.unraisablehook = T.nobody_saw
    try:
        program()
    except Exception as error:
        T.caught_by("<module>", error)
        error = None
    T.report()
"""

# Limits of nested blocks, and of the statements of a unit with the functions nested in it.
_MAX_DEPTH = 3
_MAX_STATEMENTS = 12

# Parameter lists, the arguments of a call after the first, and the names that are recorded.
_SIGNATURES = (
    ("n", "", ("n",)),
    ("n, m=7", ", {0}", ("n", "m")),
    ("n, *rest", ", {0}, {1}", ("n", "rest")),
    ("n, *, key=None, **more", ", key={0}, extra={1}", ("n", "key", "more")),
    ("n, d=2", "", ("n", "d")),
)


@dataclass
class _Unit:
    kind: str
    name: str
    more_arguments: str = ""


@dataclass
class _Scope:
    """The function that a statement is in: its kind and qualified name."""

    kind: str
    name: str
    has_n: bool = True
    may_yield: bool = True

    @property
    def is_async(self) -> bool:
        return self.kind in ("async", "agen")


class _Maker:
    def __init__(self, choose: Callable[[int], int]) -> None:
        self._choose = choose  # returns a number from 0 up to, not including, its argument
        self._units: list[_Unit] = []
        self._names = 0
        self._left = 0

    def program(self) -> str:
        texts = []
        for number in reversed(range(1 + self._choose(6))):
            kind = self._pick(("def", "def", "gen", "async", "agen", "manager", "context", "class", "decorator"))
            texts.append(self._unit(kind, f"PROGRAM_{kind}{number}"))
        root = _Scope("def", "PROGRAM", has_n=False)
        self._left = _MAX_STATEMENTS
        texts.append("def PROGRAM():\n" + _indent(self._body(root, "", "{}")))
        return "\n".join(texts)

    def _pick(self, options: tuple[Any, ...]) -> Any:
        return options[self._choose(len(options))]

    def _new_name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}{self._names}"

    # Units.

    def _unit(self, kind: str, name: str) -> str:
        self._left = _MAX_STATEMENTS
        unit = _Unit(kind, name)
        if kind in ("def", "gen", "async", "agen"):
            parameters, unit.more_arguments, names = self._pick(_SIGNATURES)
            head = "async def" if kind in ("async", "agen") else "def"
            arguments = "{" + ", ".join(f"'{n}': list({n})" if n == "rest" else f"'{n}': {n}" for n in names) + "}"
            first = ""
            if names[-1] == "d":
                first = self._recursion(kind, name)
            text = f"{head} {name}({parameters}):\n" + _indent(self._body(_Scope(kind, name), first, arguments))
        elif kind == "manager":
            text = self._manager(name)
        elif kind == "context":
            text = self._context(name)
        elif kind == "class":
            text = self._class(name)
        else:
            text = self._decorator(name)
        self._units.insert(0, unit)
        return text

    def _recursion(self, kind: str, name: str) -> str:
        call = f"{name}(r, d - 1)"
        if kind == "async":
            call = f"await {call}"
        elif kind == "gen":
            call = f"yield from {call}"
        elif kind == "agen":
            return f"if d:\n    async for r in {call}:\n        yield r\n"
        return f"if d and T.more():\n    r = {call}\n"

    def _manager(self, name: str) -> str:
        leaves = _Scope("def", f"{name}.__exit__", has_n=False)
        return (
            f"class {name}:\n"
            + f'    def __init__(self, n):\n        c = T.enter("{name}.__init__", {{"n": n}})\n'
            + "        self.n = n\n        T.returns(c, None)\n    def __enter__(self):\n"
            + _indent(self._body(_Scope("def", f"{name}.__enter__", has_n=False), "", "{}"), 2)
            + "    def __exit__(self, kind, error, traceback):\n"
            + _indent(f'c = T.enter("{leaves.name}", {{}})\nr = 0\nT.has_in_hand(c.parent, error)\n', 2)
            + _indent(self._statements(leaves, 2), 2)
            + f"        if isinstance(error, {self._pick(('E1', 'E2', 'E3', '()'))}):\n"
            + "            T.caught_by_caller(c, error)\n            return T.returns(c, True)\n"
            + "        T.lets_go(error)\n        return T.returns(c, None)\n"
        )

    def _context(self, name: str) -> str:
        scope = _Scope("gen", name, may_yield=False)
        before, after = self._statements(scope, 2), self._statements(scope, 2)
        guarded = ""
        if self._choose(2):
            error = self._new_name("e")
            guarded = f"except E1 as {error}:\n    T.caught_in_context(c, {error})\n" + _indent(
                self._pick(("pass\n", f"T.raising_again(c, {error})\nraise\n", _raise("E3")))
            )
        guarded += "finally:\n    before = T.finally_starts(c)\n    T.finally_ends(c, before)\n"
        return (
            f'@contextlib.contextmanager\ndef {name}(n):\n    c = T.enter("{name}", {{"n": n}})\n    r = 0\n'
            + _indent(f"{before}try:\n    r = yield {self._value(scope)}\n{guarded}{after}T.returns(c, None)\n")
        )

    def _class(self, name: str) -> str:
        def method(head: str, called: str, arguments: str, kind: str = "def") -> str:
            scope = _Scope(kind, f"{name}.{called}", has_n="n" in arguments)
            return _indent(f"{head}:\n" + _indent(self._body(scope, "", arguments)))

        n = "{'n': n}"
        return "".join(
            [
                f"class {name}:\n",
                method("def method(self, n)", "method", n),
                "    @property\n" + method("def value(self)", "value", "{}"),
                "    @staticmethod\n" + method("def plain(n)", "plain", n),
                "    @classmethod\n" + method("def made(cls, n)", "made", n),
                method("def __call__(self, n)", "__call__", n),
                method("def __iter__(self)", "__iter__", "{}", "gen"),
            ]
        )

    def _decorator(self, name: str) -> str:
        wrapper = _Scope("def", f"{name}.<locals>.wrapper")
        return (
            f'def {name}(function):\n    c = T.enter("{name}", {{}})\n    def wrapper(n):\n'
            + _indent(self._body(wrapper, "r = function(n)\n", "{'n': n}"), 2)
            + f'    return T.returns(c, "<function __main__.{wrapper.name}>") and wrapper\n'
        )

    # Bodies.

    def _body(self, scope: _Scope, first: str, arguments: str, depth: int = 0) -> str:
        text = f'c = T.enter("{scope.name}", {arguments})\nr = 0\n{first}' + self._statements(scope, depth)
        if scope.kind in ("gen", "agen"):
            text += f"r = yield {self._value(scope)}\n"
        end = self._choose(6)
        if end == 0:
            return text + _raise(self._error())
        if end == 1 or scope.kind == "agen":
            return text + "T.returns(c, None)\n"
        return text + f"return T.returns(c, {self._value(scope)})\n"

    def _statements(self, scope: _Scope, depth: int) -> str:
        count = 1 + self._choose(3) if self._left > 0 else 1
        self._left -= count
        return "".join(self._statement(scope, depth if self._left > 0 else _MAX_DEPTH) for _ in range(count))

    def _statement(self, scope: _Scope, depth: int) -> str:
        plain = (self._call, self._call, self._made_here, self._generator_by_hand, self._object, self._raise_sometimes)
        blocks = (self._try, self._try, self._with, self._loop, self._iterate)
        options: tuple[Callable[[_Scope, int], str], ...] = plain + (blocks if depth < _MAX_DEPTH else ())
        if scope.kind in ("gen", "agen") and scope.may_yield:
            options += (self._yield, self._yield)
        if scope.is_async:
            options += (self._await, self._await, self._tasks)
        else:
            options += (self._outside,)
        return self._pick(options)(scope, depth)

    def _value(self, scope: _Scope) -> str:
        return self._pick(("r", "n" if scope.has_n else "r", "0", "-5", "'text'", "None", "True", "1.5", "[1, 'a']"))

    def _error(self) -> str:
        return self._pick(("E1", "E2", "E3"))

    def _unit_of(self, *kinds: str) -> _Unit | None:
        units = tuple(unit for unit in self._units if unit.kind in kinds)
        return self._pick(units) if units else None

    def _calling(self, unit: _Unit, scope: _Scope) -> str:
        values = [self._value(scope) for _ in range(3)]
        return f"{unit.name}({values[0]}{unit.more_arguments.format(*values[1:])})"

    # Statements.

    def _call(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("def")
        if unit is None:
            return f"r = {self._value(scope)}\n"
        call = self._calling(unit, scope)
        decorator = self._unit_of("decorator")
        forms = [
            f"r = {call}\n",
            f"r = len([{call} for _ in (1, 2)])\n",
            f"r = sum(1 for _ in (1, 2) if {call} == 0)\n",
            f"r = len(list(map({unit.name}, (1, 2))))\n",
            f"T.threads(({unit.name}, {self._value(scope)}), ({unit.name}, 2))\n",
        ]
        if decorator is not None:
            forms.append(f"r = {decorator.name}({unit.name})({self._value(scope)})\n")
        return "if T.more():\n" + _indent(self._pick(tuple(forms)))

    def _made_here(self, scope: _Scope, depth: int) -> str:
        """Make a function, class or code object, and use it at once."""
        name = self._new_name("made")
        inside = f"{scope.name}.{name}" if scope.kind == "class" else f"{scope.name}.<locals>.{name}"
        value = self._value(scope)
        form = self._choose(6)
        if form == 0:
            return f'r = (lambda x: T.returns(T.enter("{inside[: -len(name)]}<lambda>", {{"x": x}}), x))({value})\n'
        if form == 1:
            module = 'c = T.enter("<module>", {})\ndef made(n):\n    c = T.enter("made", {"n": n})\n'
            module += "    return T.returns(c, n)\nmade(7)\nT.returns(c, None)\n"
            return f"exec(T.compiled({module!r}), {{'T': T, '__name__': '__main__'}})\n"
        if form == 2:
            return "r = eval(\"T.returns(T.enter('<module>', {}), 2)\", {'T': T, '__name__': '__main__'})\n"
        if form == 3 or depth >= _MAX_DEPTH:
            made = f'def {name}(n):\n    c = T.enter("{inside}", {{"n": n}})\n'
            return made + f"    return T.returns(c, {'n' if scope.kind == 'class' else 'r'})\nr = {name}({value})\n"
        if form == 4:
            body = self._body(_Scope("def", inside), "", "{'n': n}", depth + 1)
            return f"def {name}(n):\n" + _indent(body) + f"r = {name}({value})\n"
        body = self._statements(_Scope("class", inside, has_n=False), depth + 1)
        return f"class {name}:\n" + _indent(f'c = T.enter("{inside}", {{}})\nr = 0\n{body}T.returns(c, None)\n')

    def _generator_by_hand(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("gen")
        if unit is None:
            return self._call(scope, depth)
        it, error = self._new_name("it"), self._error()
        text = f"{it} = {self._calling(unit, scope)}\n"
        for _ in range(self._choose(3)):
            text += f"r = T.send({it}, {self._value(scope) if 'T.send' in text else None})\n"
        text += self._pick(
            (
                "",
                f"{it}.close()\n",
                f"T.start_and_drop({self._calling(unit, scope)})\n",
                f"if T.is_suspended({it}):\n    r = T.throw({it}, {error}(T.throwing(c, {it}, '{error}')))\n",
                f"r = len(list({it}))\n",
            )
        )
        return "if T.more():\n" + _indent(text)

    def _object(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("class")
        if unit is None:
            return self._call(scope, depth)
        value = self._value(scope)
        uses = ("o.method({0})", "o.value", "o.plain({0})", "o.made({0})", "o({0})", "len(list(o))", "next(iter(o), 0)")
        return f"if T.more():\n    o = {unit.name}()\n    r = {self._pick(uses).format(value)}\n"

    def _raise_sometimes(self, scope: _Scope, depth: int) -> str:
        return f"if {self._value(scope)} == {self._value(scope)}:\n" + _indent(_raise(self._error()))

    def _try(self, scope: _Scope, depth: int) -> str:
        text = "try:\n" + _indent(self._statements(scope, depth + 1))
        handlers = self._choose(3)
        for caught in self._pick((("E1",), ("E2", "E1"), ("Exception",), ("(E1, E3)",)))[:handlers]:
            error = self._new_name("e")
            again = f"T.raising_again(c, {error})\n"
            end = self._pick(
                ("", "", again + "raise\n", again + f"raise {error}\n", _raise("E1"), _raise("E3", f" from {error}"))
            )
            handler = f"T.caught(c, {error})\n" + self._statements(scope, depth + 1) + end
            text += f"except {caught} as {error}:\n" + _indent(handler)
        if handlers and self._choose(3) == 0:
            text += "else:\n" + _indent(self._statements(scope, depth + 1))
        if not handlers or self._choose(3) == 0:
            text += "finally:\n" + _indent(self._finally(scope, depth))
        return text

    def _finally(self, scope: _Scope, depth: int) -> str:
        before = self._new_name("before")
        inside = _Scope(scope.kind, scope.name, scope.has_n, may_yield=False)
        text = f"{before} = T.finally_starts(c)\n" + self._statements(inside, depth + 1)
        if self._choose(4) or scope.kind in ("agen", "class") or scope.name.endswith("__exit__"):
            return text + f"T.finally_ends(c, {before})\n"
        return text + f"return T.finally_returns(c, {self._value(scope)})\n"

    def _with(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("manager", "context")
        if unit is None:
            return self._try(scope, depth)
        return f"with {self._calling(unit, scope)} as r:\n" + _indent(self._statements(scope, depth + 1))

    def _loop(self, scope: _Scope, depth: int) -> str:
        inside = self._statements(scope, depth + 1)
        if self._choose(3) == 0:
            inside += f"if r == {self._value(scope)}:\n    {self._pick(('break', 'continue'))}\n"
        return f"for _ in range({1 + self._choose(2)}):\n" + _indent(inside)

    def _iterate(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("gen", "agen") if scope.is_async else self._unit_of("gen")
        if unit is None:
            return self._loop(scope, depth)
        inside = self._statements(scope, depth + 1) + self._pick(("", "", "break\n"))
        return ("async " if unit.kind == "agen" else "") + f"for r in {self._calling(unit, scope)}:\n" + _indent(inside)

    def _yield(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("gen") if scope.kind == "gen" else None
        if unit is None or self._choose(2):
            return f"r = yield {self._value(scope)}\n"
        return f"if T.more():\n    r = yield from {self._calling(unit, scope)}\n"

    def _await(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("async")
        if unit is None or self._choose(4) == 0:
            return "await T.tick()\n"
        return f"if T.more():\n    r = await {self._calling(unit, scope)}\n"

    def _tasks(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("async", "agen")
        if unit is None:
            return "await T.tick()\n"
        call, task = self._calling(unit, scope), self._new_name("t")
        if unit.kind == "agen":
            text = f"{task} = {call}\n" + self._async_generator_by_hand(scope, task)
        else:
            start = f"{task} = asyncio.ensure_future({call})\n"
            text = self._pick(
                (
                    f"r = await T.gathered({call}, {self._calling(unit, scope)})\n",
                    start + f"r = await {task}\n",
                    start + f"await T.tick()\n{task}.cancel()\nr = await T.gathered({task})\n",
                    start + f"{task}.cancel()\nr = await T.gathered({task})\n",
                    start + "await T.tick()\n",
                )
            )
        return "if T.more():\n" + _indent(text)

    def _async_generator_by_hand(self, scope: _Scope, it: str) -> str:
        error = self._error()
        text = f"alive = await T.asend({it}, None)\n"
        return text + self._pick(
            (
                f"if alive:\n    await T.asend({it}, {self._value(scope)})\n",
                f"await {it}.aclose()\n",
                "await T.tick()\n",
                f"if alive:\n    await T.athrow({it}, {error}(T.throwing(c, {it}, '{error}')))\n",
            )
        )

    def _outside(self, scope: _Scope, depth: int) -> str:
        unit = self._unit_of("async")
        if unit is None:
            return self._call(scope, depth)
        return f"if T.more():\n    r = T.loop({unit.name}, {self._value(scope)})\n"


def _raise(kind: str, cause: str = "") -> str:
    return f'raise {kind}(T.raising(c, "{kind}")){cause}\n'


def _indent(text: str, levels: int = 1) -> str:
    return textwrap.indent(text, "    " * levels)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Generate the text of a program."""
    return _Maker(lambda options: draw(st.integers(0, options - 1))).program()


def module_of(texts: list[str], targets: str) -> str:
    """Return the text of a file that runs these programs, one after the other."""
    names = [f"p{number}" for number in range(len(texts))]
    named = [text.replace("PROGRAM", name) for name, text in zip(names, texts, strict=True)]
    return PREAMBLE.format(targets=targets) + "\n".join(named) + RUN.format(programs="".join(n + ", " for n in names))
