"""Generate random programs whose variables change in all ways that Python has, for comparing what two cores record.

``program(seed)`` returns the text of one: functions, generators and closures over a few variables, which hold numbers,
texts, containers, and objects whose operators, properties, iterators and finalizers change the containers. It has no
threads, no addresses and no times: two runs of it do the same.
"""

from __future__ import annotations

import random
import textwrap

PREAMBLE = '''
import contextlib, gc

gc.disable()  # when it runs depends on what the tracer allocates
shared = [0]

class Meddler:
    """Changes what others hold, whatever is done with it."""
    def __init__(self, what):
        self.what = what
    def meddle(self):
        if len(self.what) < 5:
            self.what.append(len(self.what))
        else:
            self.what.clear()
        return 1
    def __add__(self, other):
        return self.meddle()
    __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __and__ = __mod__ = __add__
    def __iadd__(self, other):
        self.meddle()
        return self
    def __eq__(self, other):
        return bool(self.meddle())
    __lt__ = __gt__ = __contains__ = __eq__
    def __hash__(self):
        return self.meddle()
    def __bool__(self):
        return bool(self.meddle())
    def __neg__(self):
        return self.meddle()
    def __index__(self):
        return 0 * self.meddle()
    def __getitem__(self, key):
        if type(key) is int and key > 2:
            raise IndexError(key)
        return self.meddle()
    def __setitem__(self, key, value):
        self.meddle()
    def __iter__(self):
        for number in range(2):
            self.meddle()
            yield number
    def __enter__(self):
        self.meddle()
        return self
    def __exit__(self, *error):
        return len(self.what) == 3
    def __call__(self, *args, **more):
        return self.meddle()
    def __format__(self, how):
        return "meddler %d" % self.meddle()
    @property
    def late(self):
        return self.meddle()

class Last:
    """Changes a container when it dies."""
    def __init__(self, what):
        self.what = what
    def __del__(self):
        if len(self.what) < 6:
            self.what.append("died")

class Slotted:
    __slots__ = ("a", "b")

@contextlib.contextmanager
def managed(what):
    what.append("in")
    try:
        yield what
    finally:
        what.pop()

def count_to(what):
    number = 0
    while number < 2:
        got = yield number
        if got:
            what.append(got)
        number += 1
    return number
'''

NAMES = ("a", "b", "c", "d", "e", "password")
SCALARS = ("0", "1", "-7", "2.5", "'text'", "'line\\n'", "True", "None", "10**12", "b'raw'", "''", "'secret-word-1'")


class _Maker:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._functions: list[str] = []
        self._left = 0
        self._inner = 0

    def program(self, as_tests: bool) -> str:
        texts = [self._function(f"f{number}") for number in range(2 + self._random.randrange(3))]
        calls = [f"run({name}, 2, [1, 'x'])\nrun({name}, 'ab', {{'k': [1]}})\n" for name in self._functions]
        run = (
            "def run(function, *args):\n    try:\n        result = function(*args)\n        if hasattr(result, 'send'):\n"
            "            found = []\n            for each in result:\n                found.append(each)\n"
            "                if len(found) > 5:\n                    break\n            result.close()\n"
            "    except Exception as error:\n        print(type(error).__name__)\n"
        )
        text = PREAMBLE + "\n".join(texts) + run
        if not as_tests:
            return text + "".join(calls) + "gc.collect()\n"
        tests = [
            f"    def test_{number}(self):\n" + textwrap.indent(call + end, "        ")
            for number, call in enumerate(calls)
            for end in (self._pick(("self.fail('it must')\n", "assert shared\n", "")),)
        ]
        return (
            text
            + "import unittest\nclass Tests(unittest.TestCase):\n"
            + "".join(tests)
            + "suite = unittest.defaultTestLoader.loadTestsFromTestCase(Tests)\n"
            + "unittest.TextTestRunner(verbosity=0).run(suite)\ngc.collect()\n"
        )

    def _pick(self, options: tuple[str, ...]) -> str:
        return self._random.choice(options)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _function(self, name: str) -> str:
        self._left = 14
        is_generator = self._chance(0.3)
        parameters = self._pick(
            ("a, b", "a, *rest", "a, b=3, **more", "a, b, *, c=1", "a, b, password='hunter-22-hunter'")
        )
        body = (
            "box = [1, 2]\nmeddler = Meddler(box)\n"
            if self._chance(0.8)
            else "box = {'k': 1}\nmeddler = Meddler(shared)\n"
        )
        body += self._block(0, is_generator)
        body += self._pick(("return a\n", "return (box, a)\n", "", "raise ValueError(len(str(a)))\n"))
        if is_generator:
            body = "yield 1\n" + body
        self._functions.append(name)
        return f"def {name}({parameters}):\n" + textwrap.indent(body, "    ")

    def _block(self, depth: int, may_yield: bool) -> str:
        count = 1 + self._random.randrange(4)
        text = ""
        for _ in range(count):
            self._left -= 1
            text += self._statement(depth if self._left > 0 else 9, may_yield)
        return text

    def _value(self) -> str:
        kind = self._random.randrange(12)
        if kind < 5:
            return self._pick(SCALARS)
        if kind < 8:
            return self._pick(NAMES)
        if kind == 8:
            return self._pick(("[1, 2]", "{'k': 1, 'n': [2]}", "{1, 2}", "(1, [2])", "box", "meddler", "shared"))
        if kind == 9:
            return self._pick(
                ("meddler.late", "meddler + 1", "meddler[0]", "-meddler", "len(box)", "meddler()", "f'{meddler}'")
            )
        if kind == 10:
            return self._pick(("Last(box)", "Slotted()", "[box, box]", "lambda: box.append(1)", "count_to(box)"))
        return self._pick(("[x * 2 for x in (1, 2)]", "{x: x for x in meddler}", "sum(x for x in (1, 2))", "(y := 5)"))

    def _statement(self, depth: int, may_yield: bool) -> str:
        name, value = self._pick(NAMES), self._value()
        simple = (
            f"{name} = {value}\n",
            f"{name} = {value}\n",
            f"{name} = {self._pick(NAMES)} {self._pick(('+', '-', '*', '<', '==', 'and', 'or'))} {value}\n",
            f"{name} += {value}\n",
            f"del {name}\n",
            f"{name}, {self._pick(NAMES)} = {value}, {self._value()}\n",
            f"box.append({value})\n" if self._chance(0.5) else "box and box.pop()\n",
            f"box[0] = {value}\n",
            f"shared[:] = [{value}]\n",
            f"if {value}: {name} = 1\n",
            f"if {value} == {name}:\n    {name} = {self._value()}\nelse:\n    pass\n",
            "meddler.late\n",
            f"{name} = meddler\n",
            f"meddler = {self._pick(('None', 'Meddler(box)', 'Meddler(shared)'))}\n",
            f"{name} = [\n    {value},\n    meddler.late,\n    {self._value()},\n]\n",
            f"assert ({value}) != 3, 'not so'\n",
            f"import os.path as {name}\n{name} = 1\n",
            f"print(type({value}) is int, end='')\n",
        )
        blocks = (
            self._loop,
            self._while,
            self._try,
            self._try,
            self._with,
            self._match,
            self._nested,
            self._comprehension,
        )
        if may_yield and self._chance(0.3):
            return self._random.choice(
                (f"{name} = yield {value}\n", f"yield {value}\n", f"{name} = yield from count_to(box)\n")
            )
        if depth < 3 and self._chance(0.4):
            return self._random.choice(blocks)(depth + 1, may_yield)
        return self._random.choice(simple)

    def _in(self, depth: int, may_yield: bool) -> str:
        return textwrap.indent(self._block(depth, may_yield), "    ")

    def _loop(self, depth: int, may_yield: bool) -> str:
        over = self._pick(
            ("range(3)", "list(box)", "meddler", "'ab'", "count_to(box)", "enumerate([1, 2])", "[1, 2, 3]")
        )
        end = self._pick(("", "", "    continue\n", "    break\n", "    if a == 1: break\n"))
        orelse = "else:\n" + self._in(depth, may_yield) if self._chance(0.2) else ""
        return f"for {self._pick(NAMES)} in {over}:\n" + self._in(depth, may_yield) + end + orelse

    def _while(self, depth: int, may_yield: bool) -> str:
        self._inner += 1
        number = f"n{self._inner}"
        return f"{number} = 0\nwhile {number} < 3:\n    {number} += 1\n" + self._in(depth, may_yield)

    def _try(self, depth: int, may_yield: bool) -> str:
        text = "try:\n" + self._in(depth, may_yield)
        if self._chance(0.4):
            text += f"    raise {self._pick(('ValueError(1)', 'KeyError', 'OSError(2)'))}\n"
        if self._chance(0.8):
            error = self._pick(("error", "a", "b"))
            text += f"except (TypeError, ValueError, NameError) as {error}:\n" + self._in(depth, may_yield)
            if self._chance(0.5):
                text += "except Exception:\n" + self._in(depth, may_yield)
            if self._chance(0.2):
                text += "    raise\n"
            if self._chance(0.3):
                text += "else:\n" + self._in(depth, may_yield)
        if not text.count("except") or self._chance(0.4):
            text += "finally:\n" + self._in(depth, False)
        return text

    def _with(self, depth: int, may_yield: bool) -> str:
        manager = self._pick(
            ("meddler", "managed(shared)", "contextlib.suppress(Exception)", "meddler, managed(shared)", "managed([])")
        )
        target = f" as {self._pick(NAMES)}" if self._chance(0.6) else ""
        return f"with {manager}{target}:\n" + self._in(depth, may_yield)

    def _match(self, depth: int, may_yield: bool) -> str:
        return (
            f"match {self._value()}:\n    case [a, *b]:\n        pass\n    case {{'k': c, **d}}:\n        pass\n"
            f"    case str() as e if e:\n        pass\n    case 1 | 2.5 as password:\n        pass\n    case _:\n"
            + textwrap.indent(self._in(depth, may_yield), "    ")
        )

    def _nested(self, depth: int, may_yield: bool) -> str:
        self._inner += 1
        inner, name, other = f"inner{self._inner}", self._pick(NAMES), self._pick(NAMES)
        body = self._pick(
            (
                f"    nonlocal {name}\n    {name} = {self._value()}\n    return 1\n",
                f"    nonlocal {name}\n    del {name}\n",
                f"    return {name}\n",
                f"    nonlocal {name}, {other}\n    {name} = {other} = [1]\n" if name != other else "    return box\n",
                "    box.append(7)\n    return len(box)\n",
            )
        )
        call = f"{self._pick(NAMES)} = {inner}()\n" if self._chance(0.7) else f"box.append({inner})\n"
        return f"{name} = {self._value()}\n{other} = 2\ndef {inner}():\n{body}{call}{name} = {self._value()}\n"

    def _comprehension(self, depth: int, may_yield: bool) -> str:
        name, variable = self._pick(NAMES), self._pick((*NAMES, "x"))
        return self._pick(
            (
                f"{name} = [\n    {variable} * 1\n    for {variable} in range(2)\n    if box\n]\n",
                f"{name} = {{{variable}: box for {variable} in 'ab'}}\n",
                f"{name} = [(lambda: {variable})() for {variable} in (1, 2)]\n",
                f"{name} = [[{variable}\n    for {variable} in (1, z)]\n    for z in meddler]\n",
                f"{name} = [meddler.late for {variable} in (1, 2) if (w := {variable})]\n",
            )
        )


def program(seed: int, *, as_tests: bool = False) -> str:
    """Return the text of the program of a seed, which compiles.

    Args:
        seed: The seed.
        as_tests: Whether it calls its functions in tests, some of which fail.
    """
    while True:
        text = _Maker(seed).program(as_tests)
        try:
            compile(text, "program.py", "exec")
        except SyntaxError:  # a name is both a parameter and nonlocal, and the like
            seed += 1_000_003
        else:
            return text
