"""Show what the probes of a run found."""
