"""Run the tests that a JUnit file says failed again, under the tracer."""
