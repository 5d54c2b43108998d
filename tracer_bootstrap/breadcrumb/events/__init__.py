"""Record what happens in the program: calls, exceptions, gaps, lines, yields, tasks, tests."""
