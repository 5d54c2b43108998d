"""Define the answers of the tools about projects."""

from typing import Any, ClassVar

from pydantic import Field

from breadcrumb_server.answers.common.model import Answer, Section, Table


class ProjectCreated(Answer):
    """The answer of ``init_project``."""

    always_shown: ClassVar[frozenset[str]] = frozenset({"created"})

    created: bool = Field(description="false: the project existed and was returned unchanged")
    config_file: str
    database: str
    config: dict[str, Any] = Field(description="the workspace, the patterns, and the settings that are no defaults")


class ProjectSettings(Answer):
    """The answer of ``get_config``."""

    config_file: str
    config: dict[str, Any]


class SettingsChanged(Answer):
    """The answer of ``edit_config``."""

    always_shown: ClassVar[frozenset[str]] = frozenset({"changed", "before"})

    config_file: str
    changed: list[str] = Field(description="the keys whose values changed")
    before: dict[str, Any] = Field(description="the changed keys with their old values")
    config: dict[str, Any] = Field(description="all settings, as they are now")
    warnings: list[str] = Field(default_factory=list, description="patterns that match nothing seen so far")


class ProjectList(Section):
    """The answer of ``list_projects``."""

    always_shown: ClassVar[frozenset[str]] = frozenset({"home", "projects"})

    home: str = Field(description="the folder that holds configs and databases")
    projects: Table
    notes: list[str] = Field(default_factory=list)
    next: list[str] = Field(default_factory=list, max_length=3)
