-- Adds what shows who waits for whom: the locks that frames name, and the call that created each task.

ALTER TABLE stacks ADD COLUMN locks VARCHAR;    -- JSON: each locked lock by the expression that names it in the frame's code, as [number, ident of the thread that holds it, 0: not known]; NULL: none. Equal numbers within a process are the same lock
ALTER TABLE tasks ADD COLUMN created_by BIGINT;    -- the innermost traced call at its creation; NULL: not known
ALTER TABLE tasks ADD COLUMN created_line INTEGER; -- the line at which that call was
