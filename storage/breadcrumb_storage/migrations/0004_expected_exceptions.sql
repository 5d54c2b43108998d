-- Tells everyday exceptions of frameworks and of built-in functions from failures.

ALTER TABLE exceptions ADD COLUMN expected BOOLEAN;  -- its handler names its class, or it was the answer to hasattr and the like; NULL: unknown
