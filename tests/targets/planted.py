"""Plants secrets in every place that a tracer could record them: planted.py CORPUS, a JSON list of [rule, name, text].

A secret that is known by its shape is planted under names that say nothing; one that is known by its name only under
that name; one that is known by its value is shown under its name once, and then planted like the first kind.
"""

import base64
import collections
import contextlib
import dataclasses
import enum
import json
import os
import subprocess
import sys
import threading
import types
import urllib.parse

INNOCENT = "note"


def take(value):
    return value


def take_all(*args, **kwargs):
    return args, kwargs


def keywords(**options):
    return options


class Plain:
    def __init__(self, fields):
        for name, value in fields.items():
            setattr(self, name, value)

    def method(self):
        return self


def class_of(name, slots):
    """A class whose constructor has a parameter of that name, with its fields in slots or in __dict__."""
    return run(
        f"""
class Holder:
    {f"__slots__ = ({name!r},)" if slots else "pass"}
    def __init__(self, {name}):
        self.{name} = {name}
    def method(self):
        return self
""",
        "Holder",
    )


def run(source, name):
    namespace = {"__name__": "__main__"}
    exec(compile(source, "planted.py", "exec"), namespace)
    return namespace[name]


def arguments(name, value):
    """Positional, by keyword, by default, in *args and **kwargs, and returned."""
    function = run(
        f"def function({name}, other=1, *rest, last=None, **more):\n    return {{{name!r}: {name}}}\n", "function"
    )
    function(value)
    function(other=2, **{name: value})
    keywords(**{name: value})
    function(value, last={name: value}, **{"x_" + name: value})


def containers(name, value):
    take({name: value})
    take([{name: [value, (value,)]}])
    take(Plain({"inner": [{name: value}], name: value})).method()
    take({"deep": {"deeper": [{name: value}]}})
    take(collections.OrderedDict({name: value}))
    take(collections.defaultdict(list, {name: [value]}))
    take(types.SimpleNamespace(**{name: value}))
    take(types.MappingProxyType({name: value}))
    take(collections.ChainMap({name: value}))
    take(collections.deque([{name: value}]))
    take([(name, value), [name, value]])
    take({name.encode(): value.encode("utf-8", "surrogateescape")})
    take({enum.Enum("Field", {"FIELD": name}).FIELD: value})
    take(dataclasses.make_dataclass("Data", [name])(value))
    for slots in (False, True):
        take(class_of(name, slots)(value)).method()
    if not name.startswith("_"):
        take(collections.namedtuple("Record", [name])(value))
        with_libraries(name, value)


def with_libraries(name, value):
    if "attr" in sys.modules:
        for slots in (False, True):
            take(sys.modules["attr"].make_class("Attrs", [name], slots=slots)(value))
    if "pydantic" in sys.modules:
        pydantic = sys.modules["pydantic"]
        take(pydantic.create_model("Model", **{name: (str, ...)})(**{name: value}))
        take(pydantic.create_model("Kept", **{name: (pydantic.SecretStr, ...)})(**{name: value}))


def anywhere(value):
    """What is known without a name: alone, in texts, as bytes, as a key, in exceptions."""
    raw = value.encode("utf-8", "surrogateescape")
    for planted in (
        value,
        f"before {value} after",
        f"<{value}>",
        f"a={value}",
        f'"{value}"',
        raw,
        bytearray(raw),
    ):
        take(planted)
    take([value, (value, {value}), {"x": [value, raw]}])
    take({value: 1})
    take({raw: 1})
    take_all(value, raw, word=value)
    take(Plain({"word": value}))
    take(json.dumps({"x": value}))
    take(json.dumps(json.dumps({"x": value})))
    take(repr(value))
    take({"url": "https://example.com/?q=" + urllib.parse.quote(value, safe="")})
    take("https://example.com/?q=" + urllib.parse.quote_plus(value))
    take(f"text {value}".encode("utf-16"))
    for lead in ("", "u:", "us:"):
        take(base64.b64encode((lead + value).encode("utf-8", "surrogateescape")).decode())
        take(base64.urlsafe_b64encode((lead + value).encode("utf-8", "surrogateescape")))
    for start in (0, 1990, 2000 - len(value) // 2, 2000 + 4096 - len(value) // 2):  # whole, and cut by the limits
        take("x " * (start // 2) + value + " y" * 3000)
    take({"k " * 95 + value: 1, ("k " * 95 + value).encode("utf-8", "surrogateescape"): 1})
    take(("x " * 990 + value).encode("utf-8", "surrogateescape") + b" y" * 3000)
    take((value + " ") * 600)
    take(((value + " ") * 600).encode("utf-8", "surrogateescape"))
    fails(value)
    in_thread = threading.Thread(target=take, args=(value,), name="thread " + value)
    in_thread.start()
    in_thread.join()
    print("printed", value)
    print(repr(value), json.dumps([value]), urllib.parse.quote(value, safe=""), raw)
    print("error", value, file=sys.stderr)


def fails(value):
    copy = value
    for make in (
        lambda: ValueError(f"no good: {value}."),
        lambda: ValueError(value, 2),
        lambda: KeyError(value),
        lambda: OSError(2, "No such file", value),
        lambda: type("Own", (Exception,), {})({"x": [value]}),
    ):
        try:
            raise make()
        except Exception as first:
            try:
                raise RuntimeError(f"while: {copy}") from first
            except RuntimeError:
                pass
    with contextlib.suppress(KeyError):
        {}[value]


def raises(name, value):
    """The variable at a raise; the message before it is known would be too early."""
    function = run(
        f"def function({name}):\n    kept = {{{name!r}: {name}}}\n    raise ValueError('no {name}=' + {name})\n",
        "function",
    )
    with contextlib.suppress(ValueError):
        function(value)


def printed(name, value):
    quoted = json.dumps(value)
    lines = [
        f"{name}={quoted}",
        f"{name}: {quoted}",
        json.dumps({name: value}),
        json.dumps(json.dumps({name: value})),
        repr({name: value}),
        f"Holder({name}={value!r}, other=1)",
        f"<{name}>{value}</{name}>",
    ]
    if value.isalnum():
        lines += [
            f"{name}={value}",
            f"--{name} {value}",
            f"/?a=1&{name}={value}&b=2",
            f"{name}: {value}",
        ]
    for line in lines:
        take(line)
        print(line)
        print(line, file=sys.stderr)


def command_lines(secrets):
    """Command lines and environments of child processes, which take part in the trace."""
    for start in range(0, len(secrets), 20):
        argv, environment, texts = [], {}, []
        for rule, name, text in secrets[start : start + 20]:
            if "\0" in text or not name.isidentifier():
                continue
            if rule != "shape":
                argv += ["--" + name, text, f"--{name}={text}", f"{name.upper()}={text}"]
                environment[name.upper()] = text
            if rule != "name":
                argv += [text, "--note=" + text, "-n", text]
                environment[f"NOTE_{len(environment)}"] = text
                texts.append(text)
        start_child([sys.executable, __file__, "--child", *argv], {**os.environ, **environment}, texts)


def start_child(command, env, texts):
    subprocess.run(command, env=env, check=True, input="\n".join(texts), encoding="utf-8", errors="surrogateescape")
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-c", "raise SystemExit(3)", *command[3:7]], env=env, check=True)


def child():
    take(list(sys.argv))
    take(dict(os.environ))
    take(os.environ)


def read_corpus(path):
    with open(path, encoding="utf-8", errors="surrogatepass") as file:
        return json.load(file)


def main():
    secrets = read_corpus(sys.argv[1])
    for rule, name, text in secrets:
        if rule != "shape":
            keywords(**{name: text})
            arguments(name, text)
            containers(name, text)
            raises(name, text)
            printed(name, text)
        if rule != "name":
            anywhere(text)
            containers(INNOCENT, text)
            printed(INNOCENT, text)
    command_lines(secrets)
    for line in sys.stdin:
        take(line)
        print("read", line)
    if "GATE" in os.environ:  # somebody wants to look while it runs
        with open(os.environ["GATE"], "w") as gate:
            gate.write("all is planted")
        with open(os.environ["SECOND_GATE"]) as gate:
            gate.read()


if sys.argv[1] == "--child":
    child()
else:
    for library in ("attr", "pydantic"):
        with contextlib.suppress(ImportError):
            __import__(library)
    main()
