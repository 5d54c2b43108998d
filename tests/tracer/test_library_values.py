"""Test values of NumPy, pandas, attrs, pydantic and SQLAlchemy: written by content, without running their code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pythons import EQUIPPED_VERSIONS
from spool_reader import TARGETS, Spool, Trace, equipped_interpreter

# The module of a class differs between versions of a library.
MODULE = re.compile(r"<(?:class )?(?:numpy|pandas|sqlalchemy|__main__)\.(?:[a-z_]+\.|<locals>\.)*")


ShowValues = Callable[..., Spool]


@pytest.fixture
def show_values(trace: Trace) -> ShowValues:
    """Return a function that traces tests/targets/library_values.py with the values of a library."""

    def run(version: str, library: str, output: str = "") -> Spool:
        python = equipped_interpreter(version, library)
        spool = trace(python, [str(TARGETS / "library_values.py"), f"{library}_values"])
        assert (spool.exit_code, spool.stdout, spool.stderr) == (0, output, "")
        return spool

    return run


def shown(spool: Spool) -> dict[str, Any]:
    """Return each recorded value by the name that the program gave it."""
    calls = spool.named("show")
    assert "Planted" not in str([call.args for call in calls])
    return {call.args["name"]: plain(call.args["value"]) for call in calls}


def plain(value: Any) -> Any:
    """Return a recorded value without modules and the functions that classes were defined in."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return re.sub(r"\w+_values\.<locals>\.", "", MODULE.sub("<", value)) if isinstance(value, str) else value


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_values_of_numpy_are_written_by_shape_and_dtype(show_values: ShowValues, version: str) -> None:
    values = shown(show_values(version, "numpy"))
    scalars = {
        "float64": 1.5, "float32": {"$float": "nan"}, "int32": 7, "uint64": 2**64 - 1, "bool": True, "complex64": "(1+2j)",
        "str": "text", "bytes": {"$bytes": "raw"}, "timedelta64": "5 days", "datetime64": "2025-01-02T03:04:05.123456789",
    }  # fmt: skip
    for name, value in scalars.items():
        scalar = values.pop(name)
        assert (scalar["$type"].rstrip("_"), scalar["value"]) == (name, value)
    assert values == {
        "array": "<ndarray shape=(3, 4) dtype=float64>",
        "row": "<ndarray shape=(5,) dtype=int8>",
        "scalar array": "<ndarray shape=() dtype=float64>",
        "objects": "<ndarray shape=(1,) dtype=object>",
        "records": "<ndarray shape=(2,) dtype=[('id', '<i4'), ('name', '<U5')]>",
        "masked": "<MaskedArray shape=(2,) dtype=int64>",
        "own": "<Own shape=(2, 2) dtype=float64>",
        "dtype": "<dtype float32>",
        "function": "<ufunc add>",
        "class": "<ndarray>",
        "in containers": {
            "mean": [{"$type": "float64", "value": 0.5}],
            "shape": "<ndarray shape=(2,) dtype=float64>",
        },
        "error": {"$type": "LinAlgError", "args": ["Singular matrix"]},
    }


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_values_of_pandas_are_written_by_shape_and_dtypes(show_values: ShowValues, version: str) -> None:
    assert shown(show_values(version, "pandas")) == {
        "frame": "<DataFrame shape=(3, 4) dtype=category,datetime64[ns],float64,int64>",
        "empty": "<DataFrame shape=(0, 0)>",
        "wide": "<DataFrame shape=(1, 300) dtype=int64>",
        "own": "<Frame shape=(1, 1) dtype=int64>",
        "series": "<Series shape=(3,) dtype=float64>",
        "category": "<Series shape=(3,) dtype=category>",
        "row": "<Series shape=(4,) dtype=object>",
        "range": "<RangeIndex shape=(3,) dtype=int64>",
        "dates": "<DatetimeIndex shape=(3,) dtype=datetime64[ns]>",
        "intervals": "<IntervalIndex shape=(3,) dtype=interval>",
        "multi-index": "<MultiIndex shape=(3,)>",
        "by multi-index": "<DataFrame shape=(3, 2) dtype=datetime64[ns],float64>",
        "extension array": "<IntegerArray shape=(3,)>",
        "timestamp": {"$type": "Timestamp", "value": "2025-01-02T03:04:05"},
        "timedelta": {"$type": "Timedelta", "value": "1 day, 0:00:00"},
        "missing": "<NaTType>",
        "grouped": "<DataFrameGroupBy>",
        "accessor": "<DatetimeProperties>",
        "tuple": {"$type": "Pandas", "Index": 0, "number": 1, "price": 1.5},
        "error": {"$type": "ParserError", "args": ["line 3"]},
    }


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_objects_of_attrs_are_written_by_their_fields(show_values: ShowValues, version: str) -> None:
    item = {"name": "tea", "price": 1.0, "token": "[REDACTED]"}
    assert shown(show_values(version, "attr")) == {
        "slots": {"$type": "Item", **item},
        "dict": {"$type": "Cart", "items": [{"$type": "Item", **item}], "size": 1},
        "older": {"$type": "Older", "shown": 2, "_hidden": 3},
        "not built": {"$type": "Linked"},
        "cycle": {"$type": "Linked", "following": "<cycle: Linked>", **item, "name": "a"},
        "error": {"$type": "Failure", "args": [5], "code": 5},
    }


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_models_of_pydantic_are_written_by_fields_extra_and_private_attributes(
    show_values: ShowValues, version: str
) -> None:
    spool = show_values(version, "pydantic")
    (error,) = spool.of("exception")
    assert error["type"].endswith(".ValidationError") and error["message"] == "2 validation errors for Address"
    secrets = {
        "hidden": {"$type": "SecretStr", "_secret_value": "[REDACTED]"},
        "raw": {"$type": "SecretBytes", "_secret_value": "[REDACTED]"},
    }
    assert shown(spool) == {
        "not built": {"$type": "User"},
        "model": {
            "$type": "User",
            "name": "ada",
            "addresses": {"home": {"$type": "Address", "street": "Mill Lane", "number": 1}},
            "partner": "<cycle: User>",
            **secrets,
            "color": "red",
            "api_key": "[REDACTED]",
            "_visits": 3,
        },
        "unset": {"$type": "User", "addresses": {}, "partner": None, **secrets, "_visits": 3},
        "root": {"$type": "Ids", "root": [1, 2]},
        "url": {"$type": "Link", "url": {"$type": "AnyUrl", "_url": "redis://bob:[REDACTED]@cache/0"}},
        "class": "<User>",
        "error": {"$type": "ValidationError", "message": "2 validation errors for Address"},
    }


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_objects_of_sqlalchemy_are_written_as_far_as_they_are_loaded(show_values: ShowValues, version: str) -> None:
    spool = show_values(version, "sqlalchemy", "INSERT INSERT SELECT SELECT SELECT\n")
    children = {"$type": "InstrumentedList", "items": [{"$type": "Child", "id": 1, "parent_id": 1}]}
    assert shown(spool) == {
        "transient": {"$type": "Parent", "name": "ada"},
        "pending": {
            "$type": "Parent",
            "children": {"$type": "InstrumentedList", "items": [{"$type": "Child", "parent": "<cycle: Parent>"}]},
            "name": "ada",
        },
        "expired": {"$type": "Parent"},
        "loaded": {"$type": "Parent", "id": 1, "name": "ada"},
        "result": "<ChunkedIteratorResult>",
        "row": {"$type": "Row", "id": 1, "name": "ada"},
        "mapping": {"$type": "RowMapping", "id": 1, "name": "ada"},
        "statement": "<Select>",
        "session": "<Session>",
        "list": children,
        "detached": {"$type": "Parent", "children": children, "id": 1, "name": "ada"},
    }
