"""Make the copies and the task texts of an experiment.

    python prepare.py --root FOLDER --prompts FOLDER --counted counted.sh --tool 'python tool.py ...' [--conditions P N]

FOLDER holds ``bugs/NN-project`` (the source with the failing test), ``bugs/NN.json`` (``project``, ``kind``,
``command``, ``neighbours``, ``symptom``). For each bug and condition this makes ``run/NN-X``, a fresh copy, and
``tasks/NN-X.md``, the text of ``prompt-X.md`` with its places filled: the log ``logs/NN-X.jsonl``, the answer
``answers/NN-X.json``. A copy that exists is made anew; a log or an answer that exists is kept, and named.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path


def fill(template: str, places: dict[str, str]) -> str:
    """Put values into a template's places, which look like ``{NAME}``."""
    for name, value in places.items():
        template = template.replace("{" + name + "}", value)
    return template


def main() -> int:
    """Prepare every bug for every condition."""
    parser = argparse.ArgumentParser(description="Make the copies and the task texts of an experiment.")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True, help="folder of prompt-X.md")
    parser.add_argument("--counted", required=True, help="path of counted.sh")
    parser.add_argument("--tool", default="tool", help="the command of tool.py, up to the bug's number")
    parser.add_argument("--conditions", nargs="+", default=["P", "N"])
    parser.add_argument("--bugs", nargs="*", help="numbers; default: all")
    options = parser.parse_args()

    root: Path = options.root.resolve()
    for name in ("run", "tasks", "logs", "answers"):
        (root / name).mkdir(exist_ok=True)
    for facts_file in sorted((root / "bugs").glob("*.json")):
        number = facts_file.stem
        if options.bugs and number not in options.bugs:
            continue
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        source = next(path for path in (root / "bugs").glob(f"{number}-*") if path.is_dir())
        for condition in options.conditions:
            label = f"{number}-{condition}"
            folder = root / "run" / label
            log = root / "logs" / f"{label}.jsonl"
            answer = root / "answers" / f"{label}.json"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(source, folder, symlinks=True)
            for left in (log, answer):
                if left.exists():
                    print(f"{left} exists", file=sys.stderr)
            text = fill(
                (options.prompts / f"prompt-{condition}.md").read_text(encoding="utf-8"),
                {
                    "NN": number,
                    "FOLDER": str(folder),
                    "COMMAND": facts["command"],
                    "SYMPTOM": facts["symptom"],
                    "COUNTED": options.counted,
                    "TOOL": options.tool,
                    "LOG": str(log),
                    "ANSWER": str(answer),
                },
            )
            (root / "tasks" / f"{label}.md").write_text(text, encoding="utf-8")
            print(f"{folder}  {root / 'tasks' / f'{label}.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
