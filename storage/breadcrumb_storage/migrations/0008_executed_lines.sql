-- Adds the lines that tests executed, to find those that a failed test executed and few of the passing ones did.

-- Passing tests are kept only beside one of their file that did not pass.
CREATE TABLE executed_records (
    trace_id   VARCHAR NOT NULL,
    process_id INTEGER NOT NULL,
    test_id    INTEGER NOT NULL,
    suite      VARCHAR NOT NULL,   -- the file of the test for pytest, its module for unittest
    outcome    VARCHAR NOT NULL,   -- passed, failed, unfinished
    failed_at  INTEGER,            -- number of lines before the exception that failed it; NULL: not known
    executed   INTEGER[] NOT NULL  -- in the order of first execution: the lines of a function follow its id, which is negative
);

-- The same of tests that passed in a pass before the command, counted: one row a function.
CREATE TABLE neighbour_records (
    trace_id      VARCHAR NOT NULL,
    suite         VARCHAR NOT NULL,
    passed        INTEGER NOT NULL,  -- tests
    file          VARCHAR,           -- NULL: they executed no own lines
    function_name VARCHAR,
    function_line INTEGER,
    lines         INTEGER[],
    tests         INTEGER[]          -- how many of them executed each line
);
