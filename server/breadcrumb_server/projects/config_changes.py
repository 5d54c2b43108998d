"""Compute the new values that a call of ``edit_config`` asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel

from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.projects.validation_text import did_you_mean
from breadcrumb_storage.errors import BreadcrumbError


@dataclass(frozen=True)
class ConfigChanges:
    """The changes that a call of ``edit_config`` asks for."""

    add_include: Sequence[str] = ()
    remove_include: Sequence[str] = ()
    add_exclude: Sequence[str] = ()
    remove_exclude: Sequence[str] = ()
    set: Mapping[str, Any] = field(default_factory=dict[str, Any])


def changed_settings(config: ProjectConfig, changes: ConfigChanges) -> tuple[dict[str, Any], list[str]]:
    """Return the changed values by dotted key, and notes about requests that change nothing.

    Raises:
        BreadcrumbError: No change is asked for, a key is unknown, or two changes contradict each other.
    """
    wanted = _flatten(changes.set)
    notes: list[str] = []
    for key, add, remove in (
        ("include", changes.add_include, changes.remove_include),
        ("exclude", changes.add_exclude, changes.remove_exclude),
    ):
        if not add and not remove:
            continue
        if key in wanted:
            raise BreadcrumbError(
                f"set has {key!r}, and add_{key} or remove_{key} is given too.",
                hint="Replace the whole list with set, or change it with add and remove.",
            )
        wanted[key] = _changed_list(key, getattr(config, key), add, remove, notes)
    if not wanted:
        raise BreadcrumbError(
            "edit_config was asked to change nothing.",
            hint=f'For example edit_config(project="{config.project}", add_include=["package.*"]) '
            f'or set={{"capture.mode": "full"}}.',
        )
    return {key: value for key, value in wanted.items() if _current(config, key) != value}, notes


def settable_keys() -> list[str]:
    """Return the dotted keys that ``set`` accepts."""
    keys: list[str] = []
    for name, setting in ProjectConfig.model_fields.items():
        if isinstance(setting.annotation, type) and issubclass(setting.annotation, BaseModel):
            keys.extend(f"{name}.{inner}" for inner in setting.annotation.model_fields)
        elif name != "project":
            keys.append(name)
    return keys


def _flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten ``{"capture": {"mode": "full"}}`` to ``{"capture.mode": "full"}``: other keys keep their values."""
    known = settable_keys()
    sections = {key.partition(".")[0] for key in known if "." in key}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if key in sections and isinstance(value, dict):
            section = cast("dict[str, Any]", value)
            flat.update({f"{key}.{inner}": inner_value for inner, inner_value in section.items()})
        else:
            flat[key] = value
    if unknown := [key for key in flat if key not in known]:
        raise BreadcrumbError(
            "set was refused: " + "; ".join(f"unknown key {key!r}{did_you_mean(key, known)}" for key in unknown) + ".",
            why=f"Keys that can be set: {', '.join(known)}.",
            hint="Nothing was changed. A project cannot be renamed: make a new one with init_project."
            if "project" in unknown
            else "Nothing was changed.",
        )
    return flat


def _changed_list(
    key: str, current: Sequence[str], add: Sequence[str], remove: Sequence[str], notes: list[str]
) -> list[str]:
    if both := sorted(set(add) & set(remove)):
        raise BreadcrumbError(f"add_{key} and remove_{key} both name {', '.join(map(repr, both))}.")
    for pattern in remove:
        if pattern not in current:
            notes.append(f"{pattern!r} was not in {key}, which held: {', '.join(current) or 'nothing'}"[:500])
    for pattern in add:
        if pattern in current:
            notes.append(f"{pattern!r} was in {key} already")
    kept = [pattern for pattern in current if pattern not in remove]
    return kept + [pattern for pattern in dict.fromkeys(add) if pattern not in kept]


def _current(config: ProjectConfig, dotted: str) -> object:
    value: object = config
    for part in dotted.split("."):
        value = getattr(value, part)
    return value
