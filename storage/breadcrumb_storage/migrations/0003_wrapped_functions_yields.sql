-- The functions of other modules that a gap wraps, each as module:function:file.
ALTER TABLE gap_records ADD COLUMN wraps VARCHAR[];

DROP VIEW gaps;

CREATE VIEW gaps AS
SELECT g.trace_id, g.function_name, g.module_name, any_value(g.file) AS file, any_value(g.line) AS line, g.kind,
       f.function_name AS called_by, f.module_name AS called_by_module,
       sum(g.call_count)::BIGINT AS call_count, sum(g.time_ns)::BIGINT AS time_ns, bool_and(g.exact) AS exact,
       list_distinct(flatten(list(g.wraps) FILTER (g.wraps IS NOT NULL))) AS wraps
FROM gap_records g
LEFT JOIN functions f ON f.trace_id = g.trace_id AND f.process_id = g.process_id AND f.function_id = g.caller_id
GROUP BY g.trace_id, g.function_name, g.module_name, g.kind, f.function_name, f.module_name;

-- The first values that each call of a generator yielded. A row without a value: those up to it were not recorded.
CREATE TABLE yield_records (
    trace_no   INTEGER NOT NULL,
    process_id INTEGER NOT NULL,
    call_id    BIGINT NOT NULL,
    position   INTEGER NOT NULL,   -- numbered from 0 within the call
    at_ns      BIGINT,
    value      VARCHAR             -- JSON
);

CREATE VIEW yields AS
SELECT t.trace_id, y.call_id, y.position, y.at_ns, y.value
FROM yield_records y JOIN traces t ON t.trace_no = y.trace_no;
