"""Keeps the true call tree of a program that reports its own calls, for comparison with what was recorded.

Not traced itself. A call reports its start with ``enter``, and its parent is then found among the frames around it; that
it returns with ``returns``. Which calls an exception has ended stands in its traceback, told by whoever
catches it (``caught``). Nothing here knows how a tracer works.
"""

import asyncio
import contextlib
import gc
import inspect
import json
import sys
import threading

# Calls after which a program makes no more: in its main thread, and in each of the few others. They bound what is raised
# at one place to what is recorded in detail.
MAX_CALLS = 80
MAX_THREADS = 10
MAX_CALLS_OF_THREAD = 10


class E1(Exception):
    pass


class E2(E1):
    pass


class E3(Exception):
    pass


class Call:
    def __init__(self, name, args, parent, code):
        self.name = name
        self.args = args
        self.parent = parent
        self.code = code
        self.children = []
        self.outcome = None
        self.value = None
        self.exception = None
        self.passing = None  # the message of what a finally block saw

    def tree(self):
        ended = self.outcome
        if ended is None and self.passing is not None:  # contextlib takes the generator out of the traceback
            ended, self.exception = "raised", self.passing
        elif ended is None:  # only what suspends can end without a word: closed, dropped, cancelled
            ended = "cancelled" if self.code.co_flags & 0x2A0 else "never ended"
        return [self.name, self.args, ended, self.value, self.exception, [child.tree() for child in self.children]]


class OfThread(threading.local):
    calls = 0
    raised = 0
    started = 0


class Truth:
    def __init__(self, name):
        self.name = name
        self.open = {}  # frame id -> Call; entries of dead frames are told by their code
        self.roots = []
        self.raised = {}  # message -> [type, function]
        self.fates = {}  # message -> handler
        self.contexts = {}  # message -> [message of the cause, of the context]
        self.of_thread = OfThread()

    # What the calls report.

    def enter(self, name, args):
        frame = sys._getframe(1)
        call = Call(name, args, self.call_around(frame.f_back), frame.f_code)
        self.open[id(frame)] = call
        self.of_thread.calls += 1
        (call.parent.children if call.parent else self.roots).append(call)
        return call

    def returns(self, call, value):
        call.outcome, call.value, call.exception = "returned", value, None
        return value

    def raising(self, call, kind):
        """The message of an exception that *call* raises now."""
        self.of_thread.raised += 1
        message = f"{self.name}.{threading.current_thread().name}.x{self.of_thread.raised}"
        self.raised[message] = [kind, call.name]
        self.fates[message] = ""
        call.outcome = None
        return message

    def throwing(self, call, generator, kind):
        """The same for one that is raised where *generator* waits, or where what it delegates to does."""
        message = self.raising(call, kind)
        if inspect.isasyncgen(generator):
            frame = generator.ag_frame
        else:
            while inspect.isgenerator(generator.gi_yieldfrom):
                generator = generator.gi_yieldfrom
            frame = generator.gi_frame
        self.raised[message][1] = self.call_of(frame).name
        return message

    def raising_again(self, call, error):
        self.fates[message_of(error)] = ""
        call.outcome = None

    def caught(self, call, error):
        """*call* handles *error*."""
        self.ended_by(error, call)
        self.fates[message_of(error)] = call.name
        call.passing = None

    def caught_by(self, name, error):
        """An untold call handles *error*."""
        self.ended_by(error, None)
        self.fates[message_of(error)] = name

    def caught_in_context(self, call, error):
        """A generator of contextlib handles *error*: the function with the ``with`` is in its traceback, and goes on."""
        user = self.call_around(sys._getframe(2))
        before, user.outcome = user.outcome, "goes on"
        self.caught(call, error)
        user.outcome = before

    def caught_by_caller(self, call, error):
        """``__exit__`` handles *error* for the function with the ``with``."""
        self.caught(call.parent, error)

    def has_in_hand(self, call, error):
        """A ``finally`` or ``with`` of *call* begins because of *error*, if there is one: its own, unless it lets it go."""
        if error is not None:
            self.caught(call, error)

    def lets_go(self, error):
        if error is not None:
            self.fates[message_of(error)] = ""

    def finally_starts(self, call):
        before = call.outcome, call.value, self.in_flight(call, sys._getframe(1))
        call.outcome = None
        self.has_in_hand(call, before[2])
        if isinstance(before[2], Exception):
            call.passing = message_of(before[2])
        return before

    def finally_ends(self, call, before):
        call.outcome, call.value, error = before
        self.lets_go(error)

    def in_flight(self, call, frame):
        """The exception that a ``finally`` of *call* runs for, rather than one that is handled around it, or was in it."""
        error = sys.exc_info()[1]
        if error is None or error.__traceback__ is None or error.__traceback__.tb_frame is not frame:
            return None
        message = message_of(error)
        return None if message in self.raised and self.fates[message] == call.name else error

    def finally_returns(self, call, value):
        """A return in a finally block: handles what is being raised."""
        self.has_in_hand(call, self.in_flight(call, sys._getframe(1)))
        return self.returns(call, value)

    def more(self):
        """Whether the program may make more calls."""
        is_main = threading.current_thread() is threading.main_thread()
        return self.of_thread.calls < (MAX_CALLS if is_main else MAX_CALLS_OF_THREAD)

    # What programs do through untraced code.

    def send(self, generator, value):
        try:
            return generator.send(value)
        except StopIteration as stop:
            return stop.value

    def start_and_drop(self, generator):
        next(generator, None)

    def throw(self, generator, error):
        try:
            return generator.throw(error)
        except StopIteration as stop:
            return stop.value

    def is_suspended(self, generator):
        return inspect.getgeneratorstate(generator) == inspect.GEN_SUSPENDED

    def threads(self, *calls):
        threads = []
        if threading.current_thread() is not threading.main_thread() or self.of_thread.started >= MAX_THREADS:
            return
        for function, argument in calls:
            self.of_thread.started += 1
            name = f"{threading.current_thread().name}.t{self.of_thread.started}"
            threads.append(threading.Thread(target=function, args=(argument,), name=name))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def thread_died(self, args):
        self.caught_by("uncaught", args.exc_value)

    def nobody_saw(self, unraisable):
        self.caught_by("", unraisable.exc_value)

    def loop(self, function, *args):
        """Run a coroutine function to its end, unless this happens inside of one."""

        async def main():
            asyncio.get_running_loop().set_exception_handler(self.task_failed)
            try:
                return await function(*args)
            except BaseException as error:  # before a future raises it again, in the context of what is handled there
                self.explained(error)
                raise

        return asyncio.run(main()) if asyncio._get_running_loop() is None else None

    def task_failed(self, loop, context):
        if context.get("exception") is not None:
            self.ended_by(context["exception"], None)

    async def tick(self):
        await asyncio.sleep(0)

    async def gathered(self, *coroutines):
        results = await asyncio.gather(*coroutines, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                self.ended_by(result, None)
        return len(results)

    async def asend(self, generator, value):
        """Whether the asynchronous generator has yielded."""
        try:
            await generator.asend(value)
        except StopAsyncIteration:
            return False
        return True

    async def athrow(self, generator, error):
        with contextlib.suppress(StopAsyncIteration):
            await generator.athrow(error)

    def compiled(self, text):
        return compile(text, "<made>", "exec")

    # How it is put together.

    def call_of(self, frame):
        call = self.open.get(id(frame))
        return call if call is not None and call.code is frame.f_code else None

    def call_around(self, frame):
        while frame is not None:
            call = self.call_of(frame)
            if call is not None:
                return call
            frame = frame.f_back
        return None

    def ended_by(self, error, catcher):
        """Every call in the traceback has ended so, but the one that caught it: also if its return met an ``__exit__``."""
        is_cancellation = isinstance(error, (asyncio.CancelledError, GeneratorExit))
        traceback = error.__traceback__
        while traceback is not None:
            call = self.call_of(traceback.tb_frame)
            if call is not None and call is not catcher and call.outcome in (None, "returned"):
                call.outcome, call.value = "cancelled" if is_cancellation else "raised", None
                call.exception = None if is_cancellation else message_of(error)
            traceback = traceback.tb_next
        self.explained(error)

    def explained(self, error):
        """The cause and the context that *error* was raised with."""
        self.contexts.setdefault(message_of(error), [message_of(error.__cause__), message_of(error.__context__)])

    def report(self):
        """Print what the program truly did."""
        gc.collect()
        truth = {
            "roots": sorted((call.tree() for call in self.roots), key=json.dumps),
            "raised": self.raised,
            "fates": {message: fate for message, fate in self.fates.items() if message in self.raised},
            "contexts": {
                message: [other if other in self.raised else "" for other in found]
                for message, found in self.contexts.items()
                if message in self.raised
            },
        }
        print(json.dumps(truth, sort_keys=True))


def message_of(error):
    return str(error.args[0]) if error is not None and error.args else ""
