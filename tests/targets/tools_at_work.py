"""Looks at work.py through the tools of the standard library and the interpreter, and prints what each has seen."""

import cProfile
import faulthandler
import profile
import pstats
import sys
import tempfile
import trace
import tracemalloc

import work


def profiled(module):
    profiler = module.Profile()
    profiler.runcall(work.main)
    stats = pstats.Stats(profiler).stats
    print(module.__name__, sorted((name, *counts[:2]) for (file, _, name), counts in stats.items() if "work" in file))


def counted_by_a_profile_function():
    counts = {}

    def count(frame, event, argument):
        if frame.f_globals["__name__"] == "work":
            key = event, frame.f_code.co_name
            counts[key] = counts.get(key, 0) + 1

    sys.setprofile(count)
    work.main()
    sys.setprofile(None)
    print("setprofile", sorted(counts.items()))


def counted_by_tools_of_sys_monitoring():
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return
    counts = {}

    def count(tool, event):
        def callback(code, *arguments):
            if code.co_filename == work.__file__:
                key = tool, event, code.co_name
                counts[key] = counts.get(key, 0) + 1

        return callback

    # Every id that there is: nothing of the tracer's may depend on others being polite.
    tools = [tool for tool in range(6) if monitoring.get_tool(tool) is None]
    names = ("PY_START", "PY_RETURN", "PY_YIELD", "LINE", "CALL", "RAISE", "EXCEPTION_HANDLED")
    for tool in tools:
        monitoring.use_tool_id(tool, str(tool))
        for name in names:
            event = getattr(monitoring.events, name)
            monitoring.register_callback(tool, event, count(tool, name))
            monitoring.set_events(tool, monitoring.get_events(tool) | event)
    work.main()
    for tool in tools:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
    seen = [[(key[1:], number) for key, number in sorted(counts.items()) if key[0] == tool] for tool in tools]
    print("sys.monitoring", all(each == seen[0] for each in seen), seen[0])


def traced_allocations():
    tracemalloc.start()
    kept = [bytearray(1000) for _ in range(10)]
    statistics = tracemalloc.take_snapshot().statistics("lineno")
    tracemalloc.stop()
    ours = [statistic for statistic in statistics if statistic.traceback[0].filename == __file__]
    print("tracemalloc", max(statistic.size for statistic in ours) > 10 * 1000, len(kept))


def dumped_by_faulthandler():
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        print("faulthandler", [line.strip() for line in file.read().decode().splitlines()[1:]])


def counted_by_the_trace_module():
    tracer = trace.Trace(count=1, trace=0)
    tracer.runfunc(work.main)
    print("trace", sorted((line, count) for (file, line), count in tracer.results().counts.items() if "work" in file))


def traced_by_a_trace_function():
    seen = []

    def local(frame, event, argument):
        seen.append((event, frame.f_code.co_name, frame.f_lineno))
        return local

    sys.settrace(lambda frame, event, argument: local if frame.f_globals["__name__"] == "work" else None)
    work.main()
    sys.settrace(None)
    print("settrace", seen)


profiled(cProfile)
profiled(profile)
counted_by_a_profile_function()
counted_by_tools_of_sys_monitoring()
traced_allocations()
dumped_by_faulthandler()
if "--trace" in sys.argv:
    counted_by_the_trace_module()
    traced_by_a_trace_function()
