"""Define a project's settings, and read them from ``<project>.yaml``."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from breadcrumb import record_format
from breadcrumb_server.projects.home import Home, similar_project_name
from breadcrumb_server.projects.paths import expanded
from breadcrumb_server.projects.validation_text import explain_validation
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.retention import DEFAULT_MAX_DB_MB, DEFAULT_MAX_TRACES

# Of what a link that stands for a config leads to.
_SUFFIXES = (".yaml", ".yml")
# Patterns are copied into every trace; a longer one is a mistake, such as a pasted file.
MAX_PATTERN_CHARS = 500

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATTERN_CHARS, pattern=r"^[^\x00-\x1f]+$")]

_NAMES_FUNCTIONS = re.compile(r"[\w.*?<>:-]+")


def _check_function_pattern(pattern: str) -> str:
    if not _NAMES_FUNCTIONS.fullmatch(pattern) or pattern.endswith(".py"):
        raise PydanticCustomError(
            "function_pattern",
            "must name functions, not files or calls: shop.pricing.total, Cart.total (in any module) or shop.cart.*",
        )
    return pattern


FunctionPattern = Annotated[Pattern, AfterValidator(_check_function_pattern)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CaptureConfig(_Settings):
    """How much of each call is recorded."""

    mode: Literal["adaptive", "full"] = record_format.DEFAULT_MODE
    calls_per_function: Annotated[int, Field(ge=1)] = record_format.DEFAULT_CALLS_PER_FUNCTION
    max_value_chars: Annotated[int, Field(ge=20, le=1_000_000)] = record_format.DEFAULT_MAX_VALUE_CHARS
    max_items: Annotated[int, Field(ge=1, le=100_000)] = record_format.DEFAULT_MAX_ITEMS
    max_depth: Annotated[int, Field(ge=1, le=50)] = record_format.DEFAULT_MAX_DEPTH
    sample_rate: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] = record_format.DEFAULT_SAMPLE_RATE
    overhead: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] | Literal["auto", "off"] = (
        record_format.DEFAULT_OVERHEAD
    )
    locals_on_exception: bool = record_format.DEFAULT_LOCALS_ON_EXCEPTION
    max_trace_mb: Annotated[int, Field(ge=1)] = record_format.DEFAULT_MAX_TRACE_MB
    lines: list[FunctionPattern] = []
    failed_test_lines: bool = record_format.DEFAULT_FAILED_TEST_LINES


class RetentionConfig(_Settings):
    """How much is kept: the oldest traces go first."""

    max_traces: Annotated[int, Field(ge=1)] = DEFAULT_MAX_TRACES
    max_db_mb: Annotated[int, Field(ge=1)] = DEFAULT_MAX_DB_MB


class ProjectConfig(_Settings):
    """Everything that a project's file may say; each key but ``project`` has a default. README shows one."""

    project: str
    workspace: str | None = None
    enabled: bool = True
    include: list[Pattern] = ["__main__"]
    exclude: list[Pattern] = []
    capture: CaptureConfig = CaptureConfig()
    redact: list[Pattern] = []
    retention: RetentionConfig = RetentionConfig()
    db_path: str | None = None
    backend: Literal["auto", "monitoring", "settrace"] = record_format.DEFAULT_BACKEND
    suspects: Literal["auto", "off"] = record_format.DEFAULT_SUSPECTS

    def workspace_folder(self) -> Path | None:
        """Return the workspace with ``~`` expanded, or None."""
        return Path(self.workspace).expanduser() if self.workspace else None

    def database_file(self, home: Home) -> Path:
        """Return the path of the database: ``db_path`` or the default."""
        return Path(self.db_path).expanduser() if self.db_path else home.database_file(self.project)


@dataclass(frozen=True)
class LoadedConfig:
    """A valid config with its file and text; an edit preserves the text as far as possible."""

    config: ProjectConfig
    file: Path
    text: str


def load_config(home: Home, project: str) -> LoadedConfig:
    """Read and check a project's file.

    Raises:
        BreadcrumbError: The project is unknown (lists the known ones), the file is not YAML (gives line and column),
            or a key or value in it is refused. The file is never changed.
    """
    file = home.config_file(project)
    if file.exists() and not file.is_file():  # a pipe would be waited for
        raise BreadcrumbError(
            f"Cannot read {file}.", why="It is no regular file.", hint="Move it away, then call init_project."
        )
    try:
        check_config_file(file)
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise unknown_project(home, project) from None
    except (OSError, UnicodeDecodeError) as error:
        at_home = not home.folder.is_dir()
        hint = (
            f"{home.folder} is to be a folder: move what has its name away, or set BREADCRUMB_HOME to another one."
            if at_home
            else "Look at its rights and its content, or move it away and call init_project; the traces are kept."
        )
        raise BreadcrumbError(f"Cannot read {file}.", why=str(error), hint=hint) from error
    return LoadedConfig(parse_config(text, file, project), file, text)


def check_config_file(file: Path) -> None:
    """Refuse a config that is no regular file, or a link to what is no config: no line of another file is shown.

    Raises:
        BreadcrumbError: Says what it is.
        OSError: There is none, or it cannot be looked at.
    """
    hint = "Nothing was read or changed. Remove it, or put a file in its place."
    target = Path(os.path.realpath(file))
    if file.is_symlink() and target.suffix not in _SUFFIXES:
        raise BreadcrumbError(f"{file} is a link to {target}, which is no YAML file.", hint=hint)
    if file.is_symlink() and not target.exists():
        raise BreadcrumbError(f"{file} is a link to {target}, which does not exist.", hint=hint)
    if not stat.S_ISREG(file.stat().st_mode):
        raise BreadcrumbError(f"{file} is not a regular file.", hint=hint)


def parse_config(text: str, file: Path, project: str) -> ProjectConfig:
    """Parse and check the text of a config file.

    Args:
        text: The text, in YAML.
        file: Its path, for errors.
        project: The project that the text must name.

    Raises:
        BreadcrumbError: The text is not YAML, a key or value is refused, or it names another project.
    """
    data = _parse_yaml(text, file)
    config = check_settings(data, str(file))
    if config.project != project:
        raise BreadcrumbError(
            f"{file} says project: {config.project!r}, but its name says {project!r}.",
            why="Its traces would land in another project's database.",
            hint=f"Write project: {project} into the file, or rename the file to {config.project}.yaml.",
        )
    return config


def check_settings(data: object, source: str) -> ProjectConfig:
    """Check plain data and return it as a config.

    Args:
        data: A mapping of keys to values.
        source: Where it comes from, for errors.

    Raises:
        BreadcrumbError: Keys or values are refused; names each of them and what is allowed.
    """
    try:
        config = ProjectConfig.model_validate(data)
    except ValidationError as error:
        problems = explain_validation(error, ProjectConfig)
        raise BreadcrumbError(
            f"{source} was refused: {len(problems)} problem{'s' if len(problems) > 1 else ''}.",
            why="\n".join(problems),
            hint="Nothing was changed. Correct the values named above.",
        ) from None
    for key, value in (("workspace", config.workspace), ("db_path", config.db_path)):
        if value is not None and not value.startswith(("/", "~")):
            raise BreadcrumbError(
                f"{source} was refused: {key} = {value!r}.",
                why=f"{key} must be an absolute path (or start with ~), so that it means the same wherever it is read.",
            )
        if value is not None:
            expanded(value, key)
    return config


class UnknownProjectError(BreadcrumbError):
    """There is no project of a name."""


def unknown_project(home: Home, project: str) -> UnknownProjectError:
    """Return the error for an unknown project, which lists the known ones."""
    names = home.project_names()
    return UnknownProjectError(
        f"There is no project {project[:200]!r}.",
        why=f"Projects here: {', '.join(names[:30])}{', ...' if len(names) > 30 else ''}."
        if names
        else f"No project has been made yet in {home.folder}.",
        hint=f'Make it with init_project(project="{similar_project_name(project)}", workspace="/path/of/the/code"). '
        "A run makes it, too, if its cwd is the absolute path of the code.",
    )


def _parse_yaml(text: str, file: Path) -> dict[str, Any]:
    import yaml  # a slow import, which the start of the server must not wait for

    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as 2025-13-45, or brackets without end
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise BreadcrumbError(
            f"{file}{where}: this is not valid YAML: {problem}.",
            why=_shown_line(text, mark.line) if mark else "",
            hint="The file was left untouched. Correct it by hand, then call again.",
        ) from None
    if not isinstance(data, dict):
        raise BreadcrumbError(
            f"{file} does not hold a mapping of settings.",
            why="It is empty." if data is None else f"It holds a {type(data).__name__}.",
            hint="The file was left untouched. Its first line should read 'project: <name>'.",
        )
    _refuse_double_keys(tree, file)
    return cast("dict[str, Any]", data)


def _refuse_double_keys(tree: Any, file: Path) -> None:
    """Refuse a key that occurs twice, because YAML would silently drop the first value."""
    import yaml

    if not isinstance(tree, yaml.MappingNode):
        return
    first_lines: dict[str, int] = {}
    for key, value in tree.value:
        line = key.start_mark.line + 1
        if key.value in first_lines:
            raise BreadcrumbError(
                f"{file}, line {line}: the key {key.value!r} is already in line {first_lines[key.value]}.",
                hint="The file was left untouched. Keep one of the two.",
            )
        first_lines[str(key.value)] = line
        _refuse_double_keys(value, file)


def _shown_line(text: str, number: int) -> str:
    lines = text.splitlines()
    return f"The line reads: {lines[number].strip()[:200]}" if number < len(lines) else "The file ends too early."
