"""Print the calls in the traces of a folder by function, as JSON: runs in the environment of kolo."""

import json
import sys
from collections import Counter
from pathlib import Path

from kolo.trace_container import load_trace

counted = Counter()
for file in Path(sys.argv[1], ".kolo", ".internal", "raw").iterdir():
    for thread in load_trace(file.read_bytes())["threads"].values():
        counted.update(frame["co_name"] for frame in thread["frames"] if frame.get("event") == "call")
print(json.dumps(counted))
