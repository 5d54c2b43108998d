-- Adds stacks at the end of a process, executed lines, counts of exceptions that are not recorded each time, what adaptive
-- mode has counted, and tests. stacks, lines, exception_counts and tests are a contract; line_records is internal.

ALTER TABLE processes ADD COLUMN name VARCHAR;         -- its name in multiprocessing, such as ForkPoolWorker-1
ALTER TABLE processes ADD COLUMN started_by VARCHAR;   -- fork: copy of its parent; exec: replaced its parent, which ended at that time; subinterpreter: inside its parent; NULL: separate program
ALTER TABLE processes ADD COLUMN kernel_start BIGINT;  -- clock ticks since boot: an exec keeps this and the pid
ALTER TABLE processes ADD COLUMN image_start BIGINT;   -- start of its stack: an exec changes it
ALTER TABLE threads ADD COLUMN stream INTEGER;         -- the stream of its calls segments ...
ALTER TABLE threads ADD COLUMN first_call_id BIGINT;   -- ... from this call on; an ended thread wrote the earlier ones
ALTER TABLE functions ADD COLUMN exact BOOLEAN DEFAULT true;   -- false: started_count is a lower bound, as counting was off for a time
ALTER TABLE functions ADD COLUMN counted_ns BIGINT;            -- time in calls that were only counted
ALTER TABLE call_records ADD COLUMN late BOOLEAN DEFAULT false; -- recorded while it ran: args are those of that moment
ALTER TABLE exceptions ADD COLUMN call_chain BIGINT[];          -- ids, outermost first; NULL: call_id and its parents

-- Raises of a type at one place that are counted, since exceptions holds a limited number of equal ones.
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

-- The frames of each thread and each waiting asyncio task when the run was ended or the process crashed.
CREATE TABLE stacks (
    trace_id      VARCHAR NOT NULL,
    process_id    INTEGER NOT NULL,
    stack_id      INTEGER NOT NULL,   -- numbered from 0 within a process: first the main thread or the crashed one
    thread_ident  BIGINT,             -- NULL: a waiting task, which is on no thread's stack
    thread_name   VARCHAR,
    task_name     VARCHAR,
    depth         INTEGER NOT NULL,   -- 0: innermost; a deep stack lacks its middle
    function_name VARCHAR,            -- qualified, except for source fault
    module_name   VARCHAR,
    file          VARCHAR,
    line          INTEGER,
    locals        VARCHAR,            -- JSON; NULL: not taken
    source        VARCHAR NOT NULL,   -- python: by the tracer; fault: by faulthandler
    reason        VARCHAR,            -- timeout, stopped, or the text of the fatal error
    taken_at      TIMESTAMP           -- NULL for source fault
);

-- One row for each run of a test. Its calls are those of its process, in all threads, between its call ids:
-- c.process_id = t.process_id AND c.call_id BETWEEN t.first_call_id AND t.last_call_id.
CREATE TABLE tests (
    trace_id       VARCHAR NOT NULL,
    process_id     INTEGER NOT NULL,
    test_id        INTEGER NOT NULL,   -- numbered from 1 within a process
    node_id        VARCHAR NOT NULL,   -- pytest: tests/test_cart.py::TestCart::test_add[3]; unittest: test_cart.TestCart.test_add
    thread_id      INTEGER,
    outcome        VARCHAR,            -- passed, failed, error (in setup or teardown), skipped, xfailed, xpassed; NULL: not ended
    phase          VARCHAR,            -- phase of the outcome: setup, call, teardown
    started_at     TIMESTAMP,
    duration_ms    DOUBLE,             -- NULL: not ended
    first_call_id  BIGINT NOT NULL,
    last_call_id   BIGINT,             -- NULL: not ended; all later calls of the process belong to it
    exception_id   BIGINT,             -- the exception that failed it
    exception_type VARCHAR,            -- the exception that ended it early, also for a skip
    message        VARCHAR,            -- of that exception, or from the runner
    PRIMARY KEY (trace_id, process_id, test_id)
);

-- Executed lines of calls of functions named by capture.lines.
CREATE TABLE line_records (
    trace_no   INTEGER NOT NULL,
    process_id INTEGER NOT NULL,
    call_id    BIGINT NOT NULL,
    position   INTEGER NOT NULL,   -- numbered from 0 within the call
    line       INTEGER,            -- NULL: the call's end
    at_ns      BIGINT,
    changes    VARCHAR             -- JSON: variables changed by the previous line
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

-- calls: all calls, recorded or not, a lower bound if exact is false. total_ns: time of all recorded and counted calls.
-- The other numbers are of the recorded calls only.
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
