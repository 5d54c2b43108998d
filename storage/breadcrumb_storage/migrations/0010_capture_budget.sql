-- Adds what the budget of the tracer (capture.overhead) has left out of each function.

ALTER TABLE functions ADD COLUMN recorded_whole BIGINT;  -- first calls that are all recorded in detail, if the budget made them fewer than capture.calls_per_function; else NULL
