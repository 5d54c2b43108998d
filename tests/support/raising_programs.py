"""Generate random programs that raise and handle in all kinds of code, for comparing what two cores record.

``program(seed)`` returns the text of one: functions, generators, coroutines and async generators that call later ones,
directly, through a library that is not traced, or through built-in functions that swallow exceptions; and raise, handle
and pass on. It has no threads, no addresses and no times: two runs of it do the same.
"""

from __future__ import annotations

import random
import textwrap

PREAMBLE = '''
import asyncio, contextlib, functools, gc, sys

gc.disable()  # when it runs depends on what the tracer allocates
fuel = 0

kept = []  # all exceptions: which ones get the address of a dead one depends on it, too

def keep(exception):
    kept.append(exception)
    return exception

sys.monitoring.use_tool_id(0, "keeper")
sys.monitoring.register_callback(0, sys.monitoring.events.RAISE, lambda code, offset, exception: kept.append(exception))
sys.monitoring.set_events(0, sys.monitoring.events.RAISE)

class Odd(ValueError):
    """An exception with a class of the program's own."""

class CancelledError(Exception):
    """Ends calls that nobody needs any more, by its name."""

STORED = KeyError("stored")
library = {"__name__": "library"}
exec(compile("""
def call(function, *arguments):
    return function(*arguments)
def attempt(function, *arguments):
    try:
        return function(*arguments)
    except (ValueError, LookupError):
        return None
    finally:
        again(len)
def again(function):
    return [function(each) for each in ("a", "bc")]
def each(items):
    for item in items:
        yield item
async def waits(awaitable):
    try:
        return await awaitable
    except KeyError:
        raise ValueError("from the library")
""", "library.py", "exec"), library)
call, attempt, each, waits = (library[name] for name in ("call", "attempt", "each", "waits"))

class Lazy:
    """Calls a function when its attributes are read, or its items."""
    def __init__(self, function, n):
        self.function, self.n = function, n
    @property
    def late(self):
        return self.function(self.n)
    def __getitem__(self, index):
        if index > 2:
            raise IndexError(index)
        return self.function(self.n)

class Suspends:
    def __await__(self):
        got = yield "waiting"
        return got

def has_fuel():
    global fuel
    fuel -= 1
    return fuel > 0

def drive(coroutine):
    """Run a coroutine to its end, outside of any task."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as end:
        return end.value

async def collect(items):
    found = []
    async for item in items:
        found.append(item)
        if len(found) > 2:
            break
    return found
'''

RUN = """
def attempt_all(functions, repeated):
    global fuel
    for n in range(repeated):
        for function in functions:
            fuel = 25
            try:
                result = function(n)
                if hasattr(result, "send"):
                    drive(result) if not hasattr(result, "gi_frame") else list(result)
                elif hasattr(result, "asend"):
                    drive(collect(result))
            except BaseException as error:
                print(type(error).__name__, end=" ")
"""

RAISES = (
    "raise ValueError(n)", "raise KeyError('k')", "raise Odd(n)", "raise Odd(n) from keep(KeyError(n))", "raise STORED",
    "raise CancelledError()", "raise StopIteration(n)", "raise AttributeError('late')", "raise IndexError(n)",
    "raise ExceptionGroup('some', [ValueError(n), KeyError(n)])", "[][n]", "{}['k']", "None.late", "int('x')",
    "assert n < 0, n", "raise GeneratorExit",
)  # fmt: skip
HANDLED = ("ValueError", "(KeyError, IndexError)", "Exception", "LookupError", "Odd", "BaseException", "AttributeError")


class _Maker:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._left = 0

    def program(self, prelude: str, repeated: int) -> str:
        kinds = ["def", "def", "gen", "async", "agen", *self._random.choices(("def", "gen", "async", "agen"), k=2)]
        self._random.shuffle(kinds)
        self._units = [(f"{kind}_{number}", kind) for number, kind in enumerate(kinds)]
        texts = [self._unit(number) for number in range(len(kinds))]
        names = ", ".join(name for name, _ in self._units)
        run = f"attempt_all(({names}), {repeated})\nasync def main():\n"
        for name, kind in self._units:
            if kind == "async":
                run += f"    print(await asyncio.gather({name}(1), {name}(2), return_exceptions=True) != [], end=' ')\n"
        run += "    await asyncio.sleep(0)\nfuel = 50\n"
        run += "try:\n    asyncio.run(main())\nexcept BaseException as error:\n    print(type(error).__name__)\n"
        return prelude + PREAMBLE + "\n".join(texts) + RUN + run + "sys.monitoring.free_tool_id(0)\n"

    def _pick(self, options: tuple[str, ...]) -> str:
        return self._random.choice(options)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _unit(self, number: int) -> str:
        name, self._kind = self._units[number]
        self._later = self._units[number + 1 :]
        self._left = 9
        parameters = self._pick(("n", "n, *rest", "n, m=2", "n, *, token='a-secret-of-mine'", "n, **more"))
        body = "if not has_fuel():\n    return\n" + self._block(0)
        if self._kind in ("gen", "agen"):
            body = "yield n\n" + body + self._pick(("", "yield [n]\n"))
        if self._kind != "agen":
            body += self._pick(("return n\n", "", "return [n]\n"))
        head = "async def" if self._kind in ("async", "agen") else "def"
        return f"{head} {name}({parameters}):\n" + textwrap.indent(body, "    ")

    def _block(self, depth: int) -> str:
        return "".join(self._statement(depth) for _ in range(1 + self._random.randrange(3)))

    def _in(self, depth: int) -> str:
        return textwrap.indent(self._block(depth + 1), "    ")

    def _statement(self, depth: int) -> str:
        self._left -= 1
        if depth < 3 and self._left > 0 and self._chance(0.55):
            return self._random.choice((self._try, self._try, self._try, self._with, self._loop))(depth)
        if self._later and self._chance(0.7):
            return self._call()
        if self._kind in ("gen", "agen") and self._chance(0.4):
            return self._pick(("yield n\n", "got = yield {'n': n}\n", "for each_one in range(30):\n    yield n\n"))
        if self._kind in ("async", "agen") and self._chance(0.3):
            return self._pick(("await Suspends()\n", "await asyncio.sleep(0)\n" if self._chance(0.2) else "n += 1\n"))
        if self._chance(0.5):
            return f"if n % {1 + self._random.randrange(3)} == 0:\n    {self._pick(RAISES)}\n"
        return self._pick(
            ("n += 1\n", "each([1])\n", "attempt(int, 'x')\n", "next(each([]), None)\n", "call(len, 'ab')\n")
        )

    def _call(self) -> str:
        name, kind = self._random.choice(self._later)
        if kind == "def":
            return self._pick(
                (f"{name}(n)\n", f"n = {name}(n + 1) and n\n", f"call({name}, n)\n", f"attempt({name}, n)\n",
                 f"hasattr(Lazy({name}, n), 'late')\n", f"getattr(Lazy({name}, n), 'late', None)\n",
                 f"list(Lazy({name}, n))\n", f"list(map({name}, (n, 2)))\n", f"sorted([2, 1], key={name})\n",
                 f"functools.partial({name}, n)()\n")
            )  # fmt: skip
        if kind == "gen":
            within = f"got = yield from {name}(n)\n" if self._kind == "gen" else f"sum(1 for each in {name}(n))\n"
            return self._pick(
                (f"list({name}(n))\n", f"for item in {name}(n):\n    n += 1\n    break\n", f"next({name}(n), None)\n",
                 f"g = {name}(n)\nnext(g, None)\ng.throw({self._pick(('ValueError(n)', 'KeyError', 'GeneratorExit'))})\n",
                 f"g = {name}(n)\nnext(g, None)\ng.close()\n", f"list(each({name}(n)))\n", within,
                 f"late = {name}(n)\n", f"late = {name}(n)\nnext(late, None)\nlate = None\n",
                 f"g = {name}(n)\ng.send(None)\ng.send(1)\n")
            )  # fmt: skip
        if kind == "agen":
            if self._kind in ("async", "agen"):
                return self._pick(
                    (f"async for item in {name}(n):\n    n += 1\n", f"await collect({name}(n))\n",
                     f"g = {name}(n)\nawait anext(g, None)\nawait g.aclose()\n",
                     f"g = {name}(n)\nawait anext(g, None)\nawait g.athrow(ValueError(n))\n")
                )  # fmt: skip
            return f"drive(collect({name}(n)))\n"
        if self._kind in ("async", "agen"):
            return self._pick((f"await {name}(n)\n", f"await waits({name}(n))\n", f"{name}(n).close()\n"))
        return self._pick(
            (f"drive({name}(n))\n", f"c = {name}(n)\nc.send(None)\nc.throw(KeyError(n))\n", f"{name}(n).close()\n")
        )

    def _try(self, depth: int) -> str:
        text = "try:\n" + self._in(depth)
        if self._chance(0.5):
            text += f"    {self._pick(RAISES)}\n"
        if self._chance(0.15):
            text += f"except* {self._pick(('ValueError', 'KeyError'))} as error:\n" + self._in(depth).replace(
                "return\n", "pass\n"
            )
            return text
        if self._chance(0.85):
            text += f"except {self._pick(HANDLED)} as error:\n" + self._in(depth)
            text += self._pick(
                ("", "", "    raise\n", "    raise Odd(n) from error\n", "    raise error\n", "    raise STORED\n")
            )
            if self._chance(0.3):
                text += "else:\n" + self._in(depth)
        if "except" not in text.replace(" ", "\n").split("\n") or self._chance(0.3):
            text += "finally:\n    n += 1\n"
        return text

    def _with(self, depth: int) -> str:
        manager = self._pick(
            ("contextlib.suppress(ValueError, KeyError)", "contextlib.nullcontext()", "contextlib.ExitStack()")
        )
        return f"with {manager}:\n" + self._in(depth)

    def _loop(self, depth: int) -> str:
        head = self._pick(("for i in range(2):\n", "for i in each([1, 2]):\n", "for i in Lazy(abs, 1):\n"))
        return head + self._in(depth)


def program(seed: int, *, prelude: str = "", repeated: int = 5) -> str:
    """Return the text of the program of a seed, which compiles.

    Args:
        seed: The seed.
        prelude: Statements before all others.
        repeated: How often each function is called.
    """
    while True:
        text = _Maker(seed).program(prelude, repeated)
        try:
            compile(text, "program.py", "exec")
        except SyntaxError:  # a statement that may not stand in an except*, and the like
            seed += 1_000_003
        else:
            return text
