-- The probes of a run, in each process that has the code in which they are, and what their expressions were.
CREATE TABLE probes (
    trace_id     VARCHAR NOT NULL,
    process_id   INTEGER NOT NULL,
    probe        INTEGER NOT NULL,   -- its position among the probes of the run, from 0
    place        VARCHAR,
    hits         BIGINT NOT NULL,    -- how often the place was reached; a lower bound if exact is false
    met          BIGINT NOT NULL,    -- how often the condition held; hits if there is none
    exact        BOOLEAN NOT NULL,
    started      BOOLEAN NOT NULL,   -- whether the function around the place ran
    code         VARCHAR,            -- JSON list: function, module, file, line and lines of the code that it is in
    nearest_code VARCHAR,            -- the same, of the code around a line that no code has
    note         VARCHAR,            -- why it was not evaluated, or not to the end
    PRIMARY KEY (trace_id, process_id, probe)
);

CREATE TABLE probe_values (
    trace_id     VARCHAR NOT NULL,
    process_id   INTEGER NOT NULL,
    probe        INTEGER NOT NULL,
    position     BIGINT NOT NULL,    -- numbered from 1 within the probe and the process; most of many are not kept
    evaluated_at TIMESTAMP,
    thread_id    INTEGER,
    task_id      INTEGER,
    call_id      BIGINT,             -- the call in which it was evaluated; NULL: not recorded
    line         INTEGER,
    expressions  VARCHAR,            -- JSON: the value of each expression
    errors       VARCHAR,            -- JSON: why there is no value, by expression
    return_value VARCHAR,            -- JSON: what the function returned, of a probe at the return
    raised       VARCHAR             -- the exception that left the function, of a probe at the return
);
