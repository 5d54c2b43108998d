"""Define the names, record kinds and columns of the spool, which the tracer writes and storage reads.

The server and storage import nothing else from the tracer at run time than this module, ``value_format``, ``globs`` and
the redactor. It holds constants only; ``docs/spool-format.md`` explains them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

FORMAT_VERSION = 1

# Environment variable with the spool folder of the trace: a process that has it starts the tracer, and its children
# inherit it.
ENV_TRACE = "BREADCRUMB_TRACE"

# Environment variable that asks for a core (the package ``core``), and its values.
ENV_CORE = "BREADCRUMB_CORE"
# What capture.overhead is where it is "auto": a share, or off.
ENV_OVERHEAD = "BREADCRUMB_OVERHEAD"
CORE_PURE = "pure"
CORE_C = "c"
CORE_AUTO = "auto"

# Files of a spool folder. {process}, the process key, is "<pid>-<start, ns since the epoch, base 36>".
CONFIG_FILE = "tracer.config"  # marshal version 2: loads without importing a parser
PROGRAM_FILE = "program.json"  # of a trace that a program began itself: the state of the program
SPOOLS_SUFFIX = ".spool"  # after the path of a database: the folder with the spools of such traces
STORED = "stored"  # what the process that stores such a trace says when it has done so, instead of an error
SECRETS_FIFO = "secrets.fifo"  # pipe for learned secrets, which never touch the disk; each item ends with NUL
NAME_PATTERN_MARK = b"\x01"  # first byte of an item that is a pattern of secret names
CALLS_SUFFIX = ".calls"  # "{process}-{thread}-{segment}.calls"
EVENTS_SUFFIX = ".events"  # "{process}-{segment}.events"
COUNTERS_SUFFIX = ".counters"  # "{process}.counters"
FAILED_SUFFIX = ".failed"  # "{process}.failed", empty: the process could not write more records
FAULT_SUFFIX = ".fault"  # "{process}.fault": output of faulthandler at a crash or at the fault signal
STACKS_SUFFIX = ".stacks"  # "{process}.stacks", empty: the process has answered the stacks signal
CHILDREN_SUFFIX = ".children"  # "{process}.children": children that the process started without the tracer
UNSTARTED_SUFFIX = ".unstarted"  # "{pid}.unstarted": why the tracer did not start in a process that found it

# While it exists in the folder, stacks are asked for (platform_features.STACKS_SIGNAL): Python code answers with
# EVENT_STACK, C code in the fault file, and a main thread that has answered waits to be ended.
STACKS_WANTED_FILE = "stacks-wanted"

# Defaults of CONFIG_FILE and of a project's config.
DEFAULT_BACKEND: Final = "auto"
DEFAULT_MODE: Final = "adaptive"
DEFAULT_CALLS_PER_FUNCTION = 1000
DEFAULT_SAMPLE_RATE = 1.0
DEFAULT_OVERHEAD: Final = "auto"
DEFAULT_MAX_VALUE_CHARS = 2000
DEFAULT_MAX_ITEMS = 50
DEFAULT_MAX_DEPTH = 4
DEFAULT_LOCALS_ON_EXCEPTION = True
DEFAULT_FAILED_TEST_LINES = True
DEFAULT_SUSPECTS: Final = "auto"
DEFAULT_MAX_TRACE_MB = 2048  # MiB; about 16 million calls of the usual size

# A calls segment: tab-separated lines without quoting. Values are JSON, in which tab, newline, carriage return and NUL
# never occur raw. NUL bytes fill the rest of the file.
CALL_COLUMNS = ("kind", "call", "at_ns", "text", "a", "b", "c", "d")
KIND_CALL = "C"  # text: args; a: parent call; b: function; c: call-site line; d: task
KIND_LATE_CALL = "A"  # as KIND_CALL, written while the call runs, with its args at that moment
KIND_RETURN = "R"  # text: return value; a: outcome; b: suspended_ns; c: exception
KIND_LINE = "L"  # text: variables changed by the line before; a: line, empty at the call's end; b: position in the call
KIND_YIELD = "Y"  # text: the value, empty if values up to here are not recorded; b: position in the call

# Outcomes of a call, as written in column "a" of a KIND_RETURN line (absent: returned).
OUTCOME_RETURNED = 0
OUTCOME_RAISED = 1
OUTCOME_CANCELLED = 2

# An events segment: one JSON object a line, its kind under the key "k".
EVENT_KEY = "k"
EVENT_PROCESS = "process"
EVENT_NAME = "name"
EVENT_END = "end"
EVENT_THREAD = "thread"
EVENT_TASK = "task"
EVENT_FUNCTION = "function"
EVENT_EXCEPTION = "exception"
EVENT_RAISES = "raises"
EVENT_HANDLED = "handled"
EVENT_UNCAUGHT = "uncaught"
EVENT_GAP = "gap"
EVENT_STACK = "stack"
EVENT_TEST = "test"
EVENT_TEST_REPORT = "test_report"
EVENT_TEST_END = "test_end"
EVENT_TEST_LINES = "test_lines"  # the lines that a test executed; with the id WHOLE_PROGRAM, those of a process
WHOLE_PROGRAM = 0
EVENT_NOTICE = "notice"
EVENT_PROBE = "probe"  # where a probe was found, how often it was reached; repeated, the last counts
EVENT_PROBE_VALUES = "probe_values"  # what its expressions were, one time

# Codes of notices: each is a reason why a report shows less than what happened. docs/spool-format.md lists them.
# Written by the tracer, as events:
NOTICE_BACKEND = "backend"  # at the start, if another backend than configured observes: slower, nothing is missing
NOTICE_CORE = "core"  # at the start, if BREADCRUMB_CORE asks for a core that cannot be used: slower, nothing is missing
NOTICE_NOT_OBSERVING = "not_observing"  # at the start, if no backend can observe: no calls of the process are recorded
NOTICE_TRACER_REPLACED = "tracer_replaced"  # the program took sys.settrace: calls of that thread may be missing
NOTICE_RECORDS_LOST = "records_lost"  # a bug of the tracer, once for each type of error: some records are missing
NOTICE_RECURSION_LIMIT = "recursion_limit"  # at the end, if the stack was too deep to record: calls or ends are missing
NOTICE_RECORDING_STOPPED = "recording_stopped"  # no more room on the disk: later records are missing; FAILED_SUFFIX too
NOTICE_TRACE_FULL = "trace_full"  # capture.max_trace_mb is reached: later calls of the process are missing
NOTICE_TOO_MANY_FUNCTIONS = "too_many_functions"  # the limit of functions is reached: calls of later ones are missing
NOTICE_COUNTERS_USED_UP = "counters_used_up"  # the limit of counters is reached: later gaps are missing
NOTICE_LINES_LEFT_OUT = "lines_left_out"  # a call has too many lines or variables: later ones are missing
NOTICE_LOCALS_KEPT = "locals_kept"  # before 3.12 a function that keeps the dict of locals() is not recorded
NOTICE_GREENLETS = "greenlets"  # greenlets switch unseen: parents, durations and ends of calls in them may be wrong
NOTICE_SECRETS_NOT_LEARNED = "secrets_not_learned"  # too many secret values: later ones are redacted in fewer places
NOTICE_STACKS_LEFT_OUT = "stacks_left_out"  # asked for stacks, with too many threads or tasks: some stacks are missing
NOTICE_PROBES = (
    "probes_not_evaluated"  # at the start, if another tool is in the way: no probe of the process is evaluated
)
NOTICE_EARLIER_THREADS = "earlier_threads"  # started in the middle of a program: calls of older threads are missing
NOTICE_ENDS_UNSEEN = "ends_unseen"  # capture.overhead was used up: some recorded calls have ended unseen
NOTICE_CREATORS_LEFT_OUT = "creators_left_out"  # capture.overhead was used up: what created later tasks is missing
# All of these. The program can write into the spool: of another code, a notice in an event is of unknown origin.
NOTICES_OF_TRACER = (
    NOTICE_BACKEND, NOTICE_CORE, NOTICE_NOT_OBSERVING, NOTICE_TRACER_REPLACED, NOTICE_RECORDS_LOST,
    NOTICE_RECURSION_LIMIT, NOTICE_RECORDING_STOPPED, NOTICE_TRACE_FULL, NOTICE_TOO_MANY_FUNCTIONS,
    NOTICE_COUNTERS_USED_UP, NOTICE_LINES_LEFT_OUT, NOTICE_LOCALS_KEPT, NOTICE_GREENLETS, NOTICE_SECRETS_NOT_LEARNED,
    NOTICE_STACKS_LEFT_OUT, NOTICE_PROBES, NOTICE_EARLIER_THREADS, NOTICE_ENDS_UNSEEN, NOTICE_CREATORS_LEFT_OUT,
)  # fmt: skip
# Written by ingest:
NOTICE_SPOOL_DAMAGED = "spool_damaged"  # a part of a spool file could not be read: these records are missing
NOTICE_UNKNOWN = "unknown"  # a notice with a code that no tracer writes: see its message
# Written by the server at the end of a run:
NOTICE_STOPPED = "stopped"  # a user or the server's end stopped the run: it shows the program up to that moment
NOTICE_CLIENT_GONE = "client_gone"  # the connection of the call that started the run broke: nothing is missing
NOTICE_LEFTOVER_PROCESSES = "leftover_processes"  # processes outlived the command, were killed: their ends are missing
NOTICE_STACKS_INCOMPLETE = "stacks_incomplete"  # a process did not answer: its stacks or values are missing
NOTICE_UNTRACED_PYTHON = "untraced_python"  # a Python ran without the tracer: all of it is missing
NOTICE_SPOOL_GONE = "spool_gone"  # the spool folder is gone or unreadable: what was not read before is missing
NOTICE_SERVER_DIED = "server_died"  # another server finished the run: its end, output and exit code are missing
NOTICE_END_UNSEEN = "end_unseen"  # a program that traced itself ended without a word: its exit code is missing
NOTICE_SERVER_ERROR = "server_error"  # a bug of the server ended the run: its end, output and exit code are missing

# Kinds of probes: before a line runs, when a function starts, when it returns or an exception leaves it.
PROBE_LINE = "line"
PROBE_ENTRY = "entry"
PROBE_RETURN = "return"
# The name of a function's result in the expressions of a PROBE_RETURN, as in pdb; None if an exception leaves it.
PROBE_RESULT = "__return__"

# The file of code in a cell of a notebook, and the name of the function that is its body.
CELL_FILE = "In [%d]"
CELL_FILE_PATTERN = r"In \[\d+\]"

# A counters file: little-endian unsigned 64-bit pairs (count, time_ns), one pair a slot.
COUNTER_SLOT_BYTES = 16
