"""Run the shell steps of a workflow and of composite actions here, as a runner of GitHub does."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]

_NAME = re.compile(r"'[^']*'|[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+")


@dataclass
class Job:
    """A job, and what its steps have left.

    Attributes:
        workspace: The folder in which the steps run.
        temp: The runner's folder for temporary files.
        actions: The folders of actions that are run here, by the beginning of `uses`; other actions are left out.
        replaced: Scripts to run instead of steps, by their ids.
        environment: Variables of all steps.
        system: The system of the runner.
        outputs: The outputs of steps, by their ids.
        given: The inputs of the actions that were left out, by their names.
    """

    workspace: Path
    temp: Path
    actions: Mapping[str, Path] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    system: str = "Linux"
    failed: bool = False
    log: str = ""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    given: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        return (self.temp / "summary").read_text()

    def run(self, job: Mapping[str, Any]) -> None:
        """Run the steps of a job of a workflow."""
        self.temp.mkdir(exist_ok=True)
        for name in ("summary", "output"):
            (self.temp / name).write_text("")
        self._steps(job["steps"], self.outputs, {"runner.temp": str(self.temp)})

    def _steps(self, steps: list[dict[str, Any]], outputs: dict[str, dict[str, str]], known: dict[str, str]) -> bool:
        """Run steps; false if one failed. Those of an action know nothing of what failed outside."""
        failed = False
        for step in steps:
            condition = str(step.get("if", "success()"))
            if "()" not in condition:
                condition = f"success() && ({condition})"
            if not self._evaluate(condition, outputs, known, failed):
                continue
            ended_well = self._step(step, outputs, known)
            failed = failed or not (ended_well or step.get("continue-on-error"))
            if outputs is self.outputs:
                self.failed = failed
        return not failed

    def _step(self, step: dict[str, Any], outputs: dict[str, dict[str, str]], known: dict[str, str]) -> bool:
        if "run" in step:
            return self._shell(step, outputs, known)
        given = {name: self._filled(str(value), outputs, known) for name, value in step.get("with", {}).items()}
        for begin, folder in self.actions.items():
            if step["uses"].startswith(begin):
                return self._action(folder, step, given, outputs)
        self.given[step["uses"].partition("@")[0]] = given
        return True

    def _action(
        self, folder: Path, step: dict[str, Any], given: dict[str, str], outputs: dict[str, dict[str, str]]
    ) -> bool:
        action = yaml.safe_load((folder / "action.yml").read_text())
        assert given.keys() <= action["inputs"].keys()
        inputs = {name: given.get(name, str(each["default"])) for name, each in action["inputs"].items()}
        inner: dict[str, dict[str, str]] = {}
        known = {f"inputs.{name}": value for name, value in inputs.items()} | {
            "runner.temp": str(self.temp), "github.action_path": str(folder),
        }  # fmt: skip
        ended_well = self._steps(action["runs"]["steps"], inner, known)
        outputs[step.get("id", "")] = {
            name: self._filled(each["value"], inner, known) for name, each in action["outputs"].items()
        }
        return ended_well

    def _shell(self, step: dict[str, Any], outputs: dict[str, dict[str, str]], known: dict[str, str]) -> bool:
        output = self.temp / "output"
        output.write_text("")
        script = self.temp / "step.sh"
        script.write_text(self.replaced.get(step.get("id", ""), self._filled(step["run"], outputs, known)))
        variables = {name: self._filled(str(value), outputs, known) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            [*SHELL, str(script)],
            cwd=self.workspace / self._filled(step.get("working-directory", "."), outputs, known),
            env={
                **os.environ, **self.environment, **variables, "RUNNER_OS": self.system, "RUNNER_TEMP": str(self.temp),
                "GITHUB_WORKSPACE": str(self.workspace), "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
            },
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.log += done.stdout
        outputs[step.get("id", "")] = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode == 0

    def _filled(self, text: str, outputs: dict[str, dict[str, str]], known: dict[str, str]) -> str:
        """Replace the expressions in a text."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self._evaluate(found[1], outputs, known, False)), text)

    def _evaluate(
        self, expression: str, outputs: dict[str, dict[str, str]], known: dict[str, str], failed: bool
    ) -> Any:
        """Evaluate the part of GitHub's expressions that is used: strings, names, `==`, `!=`, `&&`, `||`, functions."""

        def value(found: re.Match[str]) -> str:
            name = found[0]
            if name.startswith("'"):
                return name
            if name.startswith("steps."):
                _, step, _, output = name.split(".")
                return repr(outputs.get(step, {}).get(output, ""))
            return repr(known[name])

        words = _NAME.sub(value, expression).replace("&&", " and ").replace("||", " or ")
        functions = {"success": lambda: not failed, "failure": lambda: failed}
        return eval(words.strip(), {"__builtins__": {}}, functions)
