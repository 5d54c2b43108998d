"""Change single values in the text of a YAML file, preserving comments, order and quoting.

An edit replaces only the span of the value, as marked by ``yaml.compose``, and is checked by parsing the result. If a
text cannot be edited in place (because of anchors, say), the caller rewrites the file.
"""

from collections.abc import Sequence
from typing import Any, cast

import yaml

# The Python loader: its marks are offsets into the text, those of libyaml's C loader are not.
_LOADER = yaml.SafeLoader
_ONE_LINE = 1 << 31  # columns: no value is wrapped


def edit_text(text: str, changes: dict[str, Any]) -> str | None:
    """Replace the values at the dotted keys; return None if that cannot be done in place.

    Args:
        text: The text of the file.
        changes: Dotted key (``capture.mode``) to new value, as plain data.
    """
    for dotted_key, value in changes.items():
        path = dotted_key.split(".")
        wanted = _with_value(yaml.safe_load(text), path, value)
        edited = _edit_one(text, path, value)
        try:
            succeeded = edited is not None and yaml.safe_load(edited) == wanted
        except yaml.YAMLError:
            succeeded = False
        if not succeeded or edited is None:
            return None
        text = edited
    return text


def flow(value: Any) -> str:
    """Return a value as one line of YAML, quoted so that it is valid between brackets too."""
    text: str = yaml.safe_dump(  # pyright: ignore[reportUnknownMemberType]  # its stubs leave a type open
        [value], default_flow_style=True, width=_ONE_LINE, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n")[1:-1]


def _with_value(data: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    mapping = dict(cast("dict[str, Any]", data)) if isinstance(data, dict) else {}
    mapping[path[0]] = _with_value(mapping.get(path[0]), path[1:], value)
    return mapping


def _edit_one(text: str, path: list[str], value: Any) -> str | None:
    node: Any = yaml.compose(text, Loader=_LOADER)
    for depth, key in enumerate(path):
        if not isinstance(node, yaml.MappingNode):
            return None
        child = next((v for k, v in node.value if k.value == key), None)
        if child is None:
            rest = path[depth + 1 :]
            return _insert_key(text, node, key, _with_value(None, rest, value) if rest else value, top=depth == 0)
        node = child
    if _is_block(node, yaml.SequenceNode) and isinstance(value, list):
        return _edit_block_list(text, node, cast("Sequence[Any]", value))
    return _replace(text, _start(node), _end(node), flow(value))


def _insert_key(text: str, mapping: yaml.MappingNode, key: str, value: Any, *, top: bool) -> str:
    entry = f"{key}: {flow(value)}"
    if mapping.flow_style:
        after_brace = _start(mapping) + 1
        return _replace(text, after_brace, after_brace, f"{entry}, " if mapping.value else entry)
    if top:
        return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{entry}\n"
    indent = " " * mapping.start_mark.column
    return _replace(text, _start(mapping), _start(mapping), f"{entry}\n{indent}")


def _edit_block_list(text: str, sequence: yaml.SequenceNode, wanted: Sequence[Any]) -> str:
    """Remove and add whole lines, so that comments beside other items stay."""
    lines = text.splitlines(keepends=True)
    if not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    items = [(item.value, item.start_mark.line, _last_line(item)) for item in sequence.value]
    kept = [item for item in items if item[0] in wanted]
    added = [value for value in wanted if value not in [item[0] for item in kept]]
    indent = " " * sequence.start_mark.column
    if not wanted:
        # The dashes of a list may be as far left as its key, but a value must be indented more.
        return _replace(text, _start(sequence), _end(sequence.value[-1]), "[]" if indent else "  []")
    new_lines = [f"{indent}- {flow(value)}\n" for value in added]
    if [item[0] for item in kept] + added != list(wanted):  # another order: rewrite the list
        kept, new_lines = [], [f"{indent}- {flow(value)}\n" for value in wanted]
    insert_at = (kept[-1] if kept else items[-1])[2] + 1
    gone = {line for item in items if item not in kept for line in range(item[1], item[2] + 1)}
    result = [line for number, line in enumerate(lines[:insert_at]) if number not in gone]
    result += new_lines
    result += [line for number, line in enumerate(lines[insert_at:], insert_at) if number not in gone]
    return "".join(result)


def _is_block(node: Any, kind: type[yaml.CollectionNode]) -> bool:
    return isinstance(node, kind) and not node.flow_style


def _last_line(node: yaml.Node) -> int:
    # A plain scalar ends where its mark is, a block scalar on the line before.
    end = node.end_mark
    return int(end.line if end.column else end.line - 1)


def _start(node: yaml.Node) -> int:
    return int(node.start_mark.index)


def _end(node: Any) -> int:
    """Return the end of the value's text; the end mark of a block collection includes the comments after it."""
    last: Any = node
    while _is_block(last, yaml.CollectionNode) and last.value:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
    return int(last.end_mark.index)


def _replace(text: str, start: int, end: int, new: str) -> str:
    # The empty value of "key:" begins right after the colon.
    gap = " " if start == end and text[start - 1 : start] == ":" else ""
    return f"{text[:start]}{gap}{new}{text[end:]}"
