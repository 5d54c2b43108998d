-- The core that recorded a process: the encoder of values in Python or in C.

ALTER TABLE processes ADD COLUMN core VARCHAR;         -- pure, c; NULL: recorded before there was a choice
ALTER TABLE processes ADD COLUMN core_reason VARCHAR;  -- why it is this one
