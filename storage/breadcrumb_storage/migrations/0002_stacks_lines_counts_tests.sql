-- What a report needs beyond calls: where a process stood when it was stopped, the lines of a function, how often an
-- exception was raised that is not written each time, what adaptive capture has and has not seen, and the tests that ran.
-- stacks, lines, exception_counts and tests are a contract, as the tables before; line_records is internal.

ALTER TABLE processes ADD COLUMN name VARCHAR;         -- multiprocessing's: ForkPoolWorker-1, or as the program named it
ALTER TABLE processes ADD COLUMN started_by VARCHAR;   -- fork: a copy of its parent; exec: it took its parent's place (whose ended_at is that moment); subinterpreter: inside of its parent; NULL: a program of its own
ALTER TABLE processes ADD COLUMN kernel_start BIGINT;  -- clock ticks since boot: with the pid, what an exec leaves the same
ALTER TABLE processes ADD COLUMN image_start BIGINT;   -- where its stack begins: what an exec changes
ALTER TABLE threads ADD COLUMN stream INTEGER;         -- whose calls segments it wrote ...
ALTER TABLE threads ADD COLUMN first_call_id BIGINT;   -- ... from this call on: the thread before it there had ended
ALTER TABLE functions ADD COLUMN exact BOOLEAN DEFAULT true;   -- false: started_count is a lower bound (counting was switched off for a while)
ALTER TABLE functions ADD COLUMN counted_ns BIGINT;            -- time spent in the calls that were counted only
ALTER TABLE call_records ADD COLUMN late BOOLEAN DEFAULT false; -- written when it was under way: args as they were then
ALTER TABLE exceptions ADD COLUMN call_chain BIGINT[];          -- ids, outermost first, where the parents of call_id do not tell all

-- Raises of a type at a place beyond those that are rows of exceptions: a million equal ones are bounded, and counted.
CREATE TABLE exception_counts (
    trace_id       VARCHAR NOT NULL,
    process_id     INTEGER NOT NULL,
    slot           INTEGER NOT NULL,   -- its counter in the process's counters file
    exception_type VARCHAR NOT NULL,
    function_name  VARCHAR,
    module_name    VARCHAR,
    file           VARCHAR,
    line           INTEGER,
    further_count  BIGINT,
    PRIMARY KEY (trace_id, process_id, slot)
);

-- The frames of each thread and each waiting asyncio task at the moment when the run was ended, or the process crashed.
CREATE TABLE stacks (
    trace_id      VARCHAR NOT NULL,
    process_id    INTEGER NOT NULL,
    stack_id      INTEGER NOT NULL,   -- counts from 0 within a process: first the main thread, or the one that crashed
    thread_ident  BIGINT,             -- NULL: a task, which is on no thread's stack while it waits
    thread_name   VARCHAR,
    task_name     VARCHAR,
    depth         INTEGER NOT NULL,   -- 0: innermost; the middle of a deep stack is left out
    function_name VARCHAR,            -- qualified, but for source fault
    module_name   VARCHAR,
    file          VARCHAR,
    line          INTEGER,
    locals        VARCHAR,            -- JSON; NULL where they were not taken
    source        VARCHAR NOT NULL,   -- python: the interpreter answered; fault: written by its C code (faulthandler)
    reason        VARCHAR,            -- timeout, stopped, or the fatal error's text
    taken_at      TIMESTAMP           -- NULL where only C code could tell
);

-- What a test runner ran, each run of a test a row. The calls under it are those of its process between its call ids
-- (c.process_id = t.process_id AND c.call_id BETWEEN t.first_call_id AND t.last_call_id), of all threads.
CREATE TABLE tests (
    trace_id       VARCHAR NOT NULL,
    process_id     INTEGER NOT NULL,
    test_id        INTEGER NOT NULL,   -- counts from 1 within a process
    node_id        VARCHAR NOT NULL,   -- pytest: tests/test_cart.py::TestCart::test_add[3]; unittest: test_cart.TestCart.test_add
    thread_id      INTEGER,
    outcome        VARCHAR,            -- passed, failed, error (outside of the test itself), skipped, xfailed, xpassed; NULL: not known (it had not ended)
    phase          VARCHAR,            -- where that came from: setup, call, teardown
    started_at     TIMESTAMP,
    duration_ms    DOUBLE,             -- NULL: it had not ended
    first_call_id  BIGINT NOT NULL,
    last_call_id   BIGINT,             -- NULL: it had not ended; all later calls of the process are its
    exception_id   BIGINT,             -- what failed it
    exception_type VARCHAR,            -- what ended it before its end, also a skip
    message        VARCHAR,            -- of that exception, or what the runner says
    PRIMARY KEY (trace_id, process_id, test_id)
);

-- The executed lines of the calls that were asked for (capture.lines).
CREATE TABLE line_records (
    trace_no   INTEGER NOT NULL,
    process_id INTEGER NOT NULL,
    call_id    BIGINT NOT NULL,
    position   INTEGER NOT NULL,   -- counts from 0 within the call
    line       INTEGER,            -- NULL: the call's end
    at_ns      BIGINT,
    changes    VARCHAR             -- JSON: the variables that the line before this one changed
);

DROP VIEW trace_events;
DROP VIEW function_stats;
DROP VIEW calls;

CREATE VIEW calls AS
SELECT t.trace_id, c.call_id, c.parent_call_id, c.process_id, c.thread_id, th.name AS thread_name,
       k.name AS task, f.function_name, f.module_name, f.file, f.line,
       make_timestamp_ns(c.started_ns)::TIMESTAMP AS started_at, c.started_ns, c.duration_ns,
       c.duration_ns - c.child_ns - c.suspended_ns AS self_ns,
       c.duration_ns - c.suspended_ns AS active_ns,
       c.args, c.return_value,
       CASE c.outcome WHEN 0 THEN 'returned' WHEN 1 THEN 'raised' WHEN 2 THEN 'cancelled' ELSE 'unfinished' END AS outcome,
       c.exception_id, c.call_line, c.function_id, c.late
FROM call_records c
JOIN traces t ON t.trace_no = c.trace_no
JOIN functions f ON f.trace_id = t.trace_id AND f.process_id = c.process_id AND f.function_id = c.function_id
LEFT JOIN threads th ON th.trace_id = t.trace_id AND th.process_id = c.process_id AND th.thread_id = c.thread_id
LEFT JOIN tasks k ON k.trace_id = t.trace_id AND k.process_id = c.process_id AND k.task_id = c.task_id;

CREATE VIEW lines AS
SELECT t.trace_id, l.call_id, l.position, l.line, l.at_ns, l.changes
FROM line_records l JOIN traces t ON t.trace_no = l.trace_no;

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

-- calls: all that began, recorded or not, a lower bound where exact is false; total_ns: of all that were recorded or
-- counted; the other figures are those of the recorded calls.
CREATE VIEW function_stats AS
WITH recorded AS (
    SELECT trace_id, function_name, module_name,
           count(*) AS recorded_calls, sum(duration_ns) AS total_ns, sum(self_ns) AS self_ns,
           avg(duration_ns) AS mean_ns, max(duration_ns) AS max_ns,
           count(*) FILTER (outcome = 'raised') AS raised, count(*) FILTER (outcome = 'unfinished') AS unfinished
    FROM calls GROUP BY ALL),
counted AS (
    SELECT trace_id, function_name, module_name, any_value(file) AS file, any_value(line) AS line,
           sum(started_count) AS started_count, sum(counted_ns) AS counted_ns, bool_and(coalesce(exact, true)) AS exact
    FROM functions GROUP BY ALL)
SELECT r.trace_id, r.function_name, r.module_name, c.file, c.line,
       greatest(r.recorded_calls, coalesce(c.started_count, 0))::BIGINT AS calls, c.exact, r.recorded_calls,
       (r.total_ns + coalesce(c.counted_ns, 0))::BIGINT AS total_ns, r.self_ns, r.mean_ns, r.max_ns, r.raised, r.unfinished
FROM recorded r
JOIN counted c ON c.trace_id = r.trace_id AND c.function_name = r.function_name
     AND c.module_name IS NOT DISTINCT FROM r.module_name;
