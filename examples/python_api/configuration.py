"""Configure tracing: arguments, environment variables, what is in effect, and what is refused."""

import os

import breadcrumb


def double(n):
    return 2 * n


# Without arguments everything has its default.
tracing = breadcrumb.init(enabled=False)  # and nothing is traced
print("off:        ", tracing.enabled, breadcrumb.get_backend())

tracing = breadcrumb.init(
    include=["__main__", "src/**/*.py"],  # module globs, and path globs relative to the current folder
    exclude=["src/vendor/**"],
    sample_rate=0.5,  # record every second call of each function; count all
    db_path=".breadcrumb/configured.duckdb",
    label="nightly",  # a name to find the trace by
    mode="full",  # no further sampling of busy functions
)
for n in range(10):
    double(n)
print("arguments:  ", tracing.sample_rate, tracing.mode, tracing.label, tracing.include, tracing.exclude)
print("in effect:  ", breadcrumb.get_config().summary())
tracing.stop()

# A variable of the environment wins over the argument, so that no change of the program is needed.
os.environ["BREADCRUMB_SAMPLE_RATE"] = "0.25"
tracing = breadcrumb.init(sample_rate=0.5, db_path=".breadcrumb/configured.duckdb")
print("environment:", tracing.sample_rate)
tracing.stop()
del os.environ["BREADCRUMB_SAMPLE_RATE"]

for wrong in ({"sample_rate": 2}, {"backend": "memory"}, {"include": "src"}):
    try:
        breadcrumb.init(**wrong)
    except (ValueError, TypeError) as error:  # nothing has begun
        print("refused:    ", type(error).__name__, error)
