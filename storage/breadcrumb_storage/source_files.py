"""Keep the text of a trace's source files: equal texts once, however many traces have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def recorded_files(con: DuckDBPyConnection, trace_id: str) -> list[str]:
    """Return the paths of the files whose functions a trace has, sorted."""
    rows = con.execute(
        "SELECT DISTINCT file FROM functions WHERE trace_id = ? AND file IS NOT NULL ORDER BY file", [trace_id]
    ).fetchall()
    return [row[0] for row in rows]


def known_digests(con: DuckDBPyConnection) -> set[str]:
    """Return the digests of the texts that are kept."""
    return {row[0] for row in con.execute("SELECT digest FROM source_texts").fetchall()}


def keep_sources(con: DuckDBPyConnection, trace_id: str, digests: Mapping[str, str], texts: Mapping[str, str]) -> None:
    """Keep the source files of a trace, in place of what was kept of it before.

    Args:
        con: A connection of `Database.write`.
        trace_id: The trace.
        digests: The digest of each file, by path.
        texts: The texts that are not kept yet, by digest.
    """
    con.execute("DELETE FROM source_files WHERE trace_id = ?", [trace_id])
    for digest, text in texts.items():
        con.execute("INSERT INTO source_texts VALUES (?, ?) ON CONFLICT DO NOTHING", [digest, text])
    for file, digest in digests.items():
        con.execute("INSERT INTO source_files VALUES (?, ?, ?)", [trace_id, file, digest])


def source_text(con: DuckDBPyConnection, trace_id: str, file: str) -> str | None:
    """Return the text of a file as it was when a trace ended, redacted; None if it was not kept."""
    row = con.execute(
        "SELECT text FROM source_files JOIN source_texts USING (digest) WHERE trace_id = ? AND file = ?",
        [trace_id, file],
    ).fetchone()
    return row[0] if row else None


def drop_unused_texts(con: DuckDBPyConnection) -> None:
    """Delete the texts that no trace has."""
    con.execute("DELETE FROM source_texts WHERE digest NOT IN (SELECT digest FROM source_files)")
