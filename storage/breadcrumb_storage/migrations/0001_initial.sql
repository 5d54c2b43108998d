-- The tables of a project's database. Users query traces, trace_events, calls, exceptions,
-- functions, function_stats, gaps, processes, threads and notices: these columns are a
-- contract. call_records, segments and pending_* are internal.

CREATE SEQUENCE trace_numbers;

CREATE TABLE traces (
    trace_id        VARCHAR PRIMARY KEY,
    trace_no        INTEGER NOT NULL UNIQUE DEFAULT nextval('trace_numbers'),  -- short key, used in call_records
    status          VARCHAR NOT NULL,   -- running, completed, failed, timeout, stopped, crashed
    started_at      TIMESTAMP NOT NULL, -- UTC, like all timestamps
    finished_at     TIMESTAMP,
    duration_ms     DOUBLE,
    command         VARCHAR NOT NULL,   -- as a shell line, redacted
    label           VARCHAR,
    cwd             VARCHAR,
    timeout_seconds DOUBLE,
    exit_code       INTEGER,            -- NULL: still running, or ended by a signal
    signal          VARCHAR,            -- SIGKILL, ...
    pid             INTEGER,
    stdout_tail     VARCHAR,
    stderr_tail     VARCHAR,
    stdout_bytes    BIGINT,
    stderr_bytes    BIGINT,
    not_traced_reason VARCHAR,          -- why no process was traced
    config          VARCHAR             -- JSON: include, exclude and capture of this run
);

CREATE TABLE processes (
    trace_id          VARCHAR NOT NULL,
    process_id        INTEGER NOT NULL,  -- numbered from 0 within a trace
    process_key       VARCHAR NOT NULL,  -- "{process}" of its spool files' names
    pid               INTEGER,
    parent_pid        INTEGER,
    parent_process_id INTEGER,           -- NULL: no traced parent
    command           VARCHAR,
    executable        VARCHAR,
    python_version    VARCHAR,
    cwd               VARCHAR,
    backend           VARCHAR,           -- monitoring, settrace
    mode              VARCHAR,           -- adaptive, full
    started_at        TIMESTAMP,
    ended_at          TIMESTAMP,         -- NULL: has not ended normally
    started_at_ns     BIGINT,            -- ns since the epoch ...
    clock_origin_ns   BIGINT,            -- ... when its monotonic clock showed this
    PRIMARY KEY (trace_id, process_id)
);

CREATE TABLE threads (
    trace_id VARCHAR NOT NULL, process_id INTEGER NOT NULL, thread_id INTEGER NOT NULL,
    ident BIGINT, name VARCHAR,
    PRIMARY KEY (trace_id, process_id, thread_id)
);

CREATE TABLE tasks (
    trace_id VARCHAR NOT NULL, process_id INTEGER NOT NULL, task_id INTEGER NOT NULL, name VARCHAR,
    PRIMARY KEY (trace_id, process_id, task_id)
);

CREATE TABLE functions (
    trace_id      VARCHAR NOT NULL,
    process_id    INTEGER NOT NULL,
    function_id   INTEGER NOT NULL,
    function_name VARCHAR NOT NULL,  -- qualified: Cart.add, outer.<locals>.inner, <module>
    module_name   VARCHAR,
    file          VARCHAR,
    line          INTEGER,
    kind          VARCHAR,           -- function, generator, coroutine, async_generator, class, module
    slot          INTEGER,           -- its counter in the process's counters file
    started_count BIGINT,            -- all calls, recorded or not; NULL: not counted
    PRIMARY KEY (trace_id, process_id, function_id)
);

-- One row for each recorded call. Small keys keep a row near 15 bytes even with a million calls.
CREATE TABLE call_records (
    trace_no     INTEGER NOT NULL,
    process_id   INTEGER NOT NULL,
    thread_id    INTEGER NOT NULL,
    call_id      BIGINT NOT NULL,   -- process_id * 1000000000 + id within the process: unique within a trace
    parent_call_id BIGINT,
    function_id  INTEGER NOT NULL,
    started_ns   BIGINT NOT NULL,   -- ns since the epoch
    duration_ns  BIGINT,            -- NULL: unfinished
    child_ns     BIGINT NOT NULL DEFAULT 0,  -- time in recorded children
    suspended_ns BIGINT NOT NULL DEFAULT 0,  -- generators and coroutines: time between resumes
    outcome      TINYINT,           -- record_format.OUTCOME_*; NULL: unfinished
    exception_id BIGINT,
    call_line    INTEGER,           -- the caller's line
    task_id      INTEGER,
    args         VARCHAR,
    return_value VARCHAR
);

CREATE TABLE exceptions (
    trace_id          VARCHAR NOT NULL,
    process_id        INTEGER NOT NULL,
    exception_id      BIGINT NOT NULL,  -- unique within a trace, composed like call_id
    exception_type    VARCHAR NOT NULL,
    exception_message VARCHAR,
    raised_at         TIMESTAMP,
    thread_id         INTEGER,
    call_id           BIGINT,           -- innermost traced call at raised_at
    function_name     VARCHAR,          -- the raising function, traced or not
    module_name       VARCHAR,
    file              VARCHAR,
    line              INTEGER,
    stack_trace       VARCHAR,
    locals            VARCHAR,          -- JSON: variables of the raising frame
    cause_id          BIGINT,
    context_id        BIGINT,
    control_flow      BOOLEAN NOT NULL DEFAULT false,  -- StopIteration and the like
    uncaught          BOOLEAN NOT NULL DEFAULT false,  -- left the outermost frame of its thread
    handled           BOOLEAN,                         -- NULL: unknown
    handled_by        VARCHAR,                         -- module:function:line
    PRIMARY KEY (trace_id, exception_id)
);

CREATE TABLE gap_records (
    trace_id VARCHAR NOT NULL, process_id INTEGER NOT NULL, slot INTEGER NOT NULL,
    function_name VARCHAR, module_name VARCHAR, file VARCHAR, line INTEGER, kind VARCHAR,
    caller_id INTEGER,
    exact BOOLEAN NOT NULL, call_count BIGINT NOT NULL DEFAULT 0, time_ns BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (trace_id, process_id, slot)
);

CREATE TABLE notices (trace_id VARCHAR NOT NULL, process_id INTEGER, code VARCHAR NOT NULL, message VARCHAR NOT NULL);

-- Bytes read of each spool file, so that each record is ingested exactly once.
CREATE TABLE segments (trace_id VARCHAR NOT NULL, name VARCHAR NOT NULL, bytes_read BIGINT NOT NULL, PRIMARY KEY (trace_id, name));

-- Returns whose call has not been read yet.
CREATE TABLE pending_returns (
    trace_no INTEGER NOT NULL, process_id INTEGER NOT NULL, call_id BIGINT NOT NULL,
    ended_ns BIGINT, outcome TINYINT, suspended_ns BIGINT, exception_id BIGINT, return_value VARCHAR
);

-- Time of ended calls whose parent has not been read yet.
CREATE TABLE pending_child_time (
    trace_no INTEGER NOT NULL, process_id INTEGER NOT NULL, call_id BIGINT NOT NULL, child_ns BIGINT NOT NULL
);

CREATE VIEW calls AS
SELECT t.trace_id, c.call_id, c.parent_call_id, c.process_id, c.thread_id, th.name AS thread_name,
       k.name AS task, f.function_name, f.module_name, f.file, f.line,
       make_timestamp_ns(c.started_ns)::TIMESTAMP AS started_at, c.started_ns, c.duration_ns,
       c.duration_ns - c.child_ns - c.suspended_ns AS self_ns,
       c.duration_ns - c.suspended_ns AS active_ns,
       c.args, c.return_value,
       CASE c.outcome WHEN 0 THEN 'returned' WHEN 1 THEN 'raised' WHEN 2 THEN 'cancelled' ELSE 'unfinished' END AS outcome,
       c.exception_id, c.call_line, c.function_id
FROM call_records c
JOIN traces t ON t.trace_no = c.trace_no
JOIN functions f ON f.trace_id = t.trace_id AND f.process_id = c.process_id AND f.function_id = c.function_id
LEFT JOIN threads th ON th.trace_id = t.trace_id AND th.process_id = c.process_id AND th.thread_id = c.thread_id
LEFT JOIN tasks k ON k.trace_id = t.trace_id AND k.process_id = c.process_id AND k.task_id = c.task_id;

CREATE VIEW trace_events AS
SELECT trace_id, 'call' AS event_type, function_name, module_name, started_at AS "timestamp",
       args, NULL AS return_value, call_id, file, line, NULL AS exception_type
FROM calls
UNION ALL
SELECT trace_id, 'return', function_name, module_name,
       make_timestamp_ns(started_ns + duration_ns)::TIMESTAMP, NULL, return_value, call_id, file, line, NULL
FROM calls WHERE outcome = 'returned'
UNION ALL
SELECT trace_id, 'exception', function_name, module_name, raised_at, locals, NULL, call_id, file, line, exception_type
FROM exceptions;

CREATE VIEW function_stats AS
SELECT trace_id, function_name, module_name, any_value(file) AS file, any_value(line) AS line,
       count(*) AS recorded_calls, sum(duration_ns) AS total_ns, sum(self_ns) AS self_ns,
       avg(duration_ns) AS mean_ns, max(duration_ns) AS max_ns,
       count(*) FILTER (outcome = 'raised') AS raised, count(*) FILTER (outcome = 'unfinished') AS unfinished
FROM calls GROUP BY ALL;

CREATE VIEW gaps AS
SELECT g.trace_id, g.function_name, g.module_name, any_value(g.file) AS file, any_value(g.line) AS line, g.kind,
       f.function_name AS called_by, f.module_name AS called_by_module,
       sum(g.call_count)::BIGINT AS call_count, sum(g.time_ns)::BIGINT AS time_ns, bool_and(g.exact) AS exact
FROM gap_records g
LEFT JOIN functions f ON f.trace_id = g.trace_id AND f.process_id = g.process_id AND f.function_id = g.caller_id
GROUP BY g.trace_id, g.function_name, g.module_name, g.kind, f.function_name, f.module_name;
