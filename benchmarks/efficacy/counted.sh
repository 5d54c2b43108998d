#!/usr/bin/env bash
# Runs one shell command of a session, prints its output, and adds a line about it to the session's log.
#
#   counted.sh LOG FOLDER 'shell command'
#   counted.sh LOG FOLDER <<'END'        (a command that is awkward to quote)
#   shell command
#   END
#
# The command runs in FOLDER, for at most COUNTED_SECONDS (180). Its output is cut at COUNTED_CHARS (16000), as an agent's
# shell tool would cut it. The line in LOG is JSON: "read", the characters of the output as printed; "written", the
# characters of the command; "rc", its exit code; "s", its seconds; "command", its first 400 characters.
set -u
if [ $# -lt 2 ]; then
    echo "usage: counted.sh LOG FOLDER ['shell command']" >&2
    exit 2
fi
log=$1 folder=$2
shift 2
command=${*:-$(cat)}
limit=${COUNTED_CHARS:-16000}
start=$(date +%s.%N)
output=$(cd "$folder" && timeout "${COUNTED_SECONDS:-180}" bash -c "$command" 2>&1 </dev/null)
code=$?
end=$(date +%s.%N)
shown=${output:0:limit}
if [ "${#output}" -gt "$limit" ]; then
    shown+=$'\n'"...(cut: ${#output} characters)"
fi
printf '%s\n' "$shown"
python3 - "$log" "${#shown}" "$code" "$start" "$end" "$command" <<'END'
import json
import sys

log, read, code, start, end, command = sys.argv[1:]
line = {
    "read": int(read),
    "written": len(command),
    "rc": int(code),
    "s": round(float(end) - float(start), 2),
    "command": command[:400],
}
with open(log, "a", encoding="utf-8") as file:
    file.write(json.dumps(line) + "\n")
END
exit "$code"
