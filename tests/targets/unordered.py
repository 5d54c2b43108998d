"""Values whose order, addresses or hashes differ from run to run: what is recorded of them must not.

Imported by the traced program, so that the calls that make the values, far more than those with them, are not recorded.
"""

import asyncio
import builtins
import collections
import functools
import operator
import queue
import re
import socket
import tempfile
import threading
import types
import weakref


class Node:
    """With the default repr, hash and order: by its address."""

    def __init__(self, name):
        self.name = name
        self.near = set()


class Named(Node):
    def __hash__(self):
        return hash(self.name)  # of a text: another one in each run


class Slotted:
    __slots__ = {"a", "b", "c"}

    def __init__(self):
        self.a, self.b, self.c = {"x", "y"}, object(), frozenset({"p", "q"})

    def method(self):
        return self


Pair = collections.namedtuple("Pair", "left right")


def show(value):
    return value


def generate():
    yield


async def wait():
    pass


def graph(count, kind):
    nodes = [kind(f"n{number}") for number in range(count)]
    for node in nodes:
        node.near.update(nodes)
    return nodes


def contents():
    """All kinds of unordered and addressed things."""
    words = {f"word{number}" for number in range(40)}
    yield from (words, frozenset(words), {number * 7.5 for number in range(30)}, {b"x", b"y", b"z"})
    yield {None, True, 2, 2.5, "two", b"two", float("nan"), float("nan")}
    yield {("a", 1), ("b", None), ("c", frozenset(words)), Pair("l", "r"), Pair("l", 2), (("d",), frozenset({"e", 1}))}
    yield {frozenset({frozenset({f"inner{number * step}" for number in range(5)}), step}) for step in range(8)}
    yield [{len(word): {word, word * 2, None}} for word in sorted(words)]
    yield collections.OrderedDict((word, {word, 1}) for word in sorted(words))
    yield {("key", number): {"values", number} for number in range(10)}
    yield {frozenset({"a", "b", number}): number for number in range(10)}
    yield {Named(word): word for word in sorted(words)}
    yield {type(f"Made{number}", (), {}) for number in range(20)}
    yield {operator.itemgetter(number) for number in range(5)} | {len, Node, re, show, None}
    yield {number * "long" for number in range(300)}
    yield {(f"text{number}" * 60, number) for number in range(30)}
    yield {(number, number) for number in range(120)}
    yield {(number, "many") for number in range(5000)}
    yield dict.fromkeys(sorted(words)).keys() - {"word3"}
    for kind in (Node, Named):
        yield from (graph(2, kind)[0], graph(9, kind)[0], set(graph(60, kind)), graph(5, kind))


def addressed():
    node, lock, made = Node("x"), threading.Lock(), generate()
    yield from (object(), node, Slotted(), show, lambda: node, node.__init__, Slotted().method, generate, made, wait)
    yield from (functools.partial(show, node), functools.lru_cache()(show), functools.partialmethod(show, Node))
    yield from (lock, threading.RLock(), threading.Event(), threading.Condition(), threading.Semaphore(2))
    yield from (threading.Thread(target=show), threading.current_thread(), threading.local(), queue.Queue())
    yield from (weakref.ref(node), weakref.proxy(node), weakref.WeakSet({node}), weakref.WeakValueDictionary(x=node))
    yield from (iter({1, 2}), iter({}.items()), zip(), map(show, []), reversed([]), enumerate([]), [].__iter__, {}.get)
    yield from (
        property(show),
        classmethod(show),
        staticmethod(show),
        Slotted.a,
        Node.__dict__,
        Node.__init__,
        type(node),
    )
    yield from (types.SimpleNamespace(node=node), memoryview(b"x"), slice(node), range(3), NotImplemented, Ellipsis)
    yield from ((lambda: (yield))(), (n for n in []), show.__code__, builtins, collections.ChainMap({node: lock}))
    yield from (f"<{node!r}>", [repr(lock), repr(show)], {f"{node!r} and {made!r}": 1}, ValueError(node, repr(node)))
    yield {(lock, node), (show, generate), (node.__init__, made), (repr(node), "x"), (object(), object())}
    with tempfile.TemporaryFile() as file, socket.socket() as connection:
        yield from (file, connection, file.write, connection.close)
    loop = asyncio.new_event_loop()
    yield from (loop, loop.create_future(), asyncio.Queue)
    loop.close()
