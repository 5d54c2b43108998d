"""Test values of libraries: written by their content or metadata, without running code of the program."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from breadcrumb_server.answers.rendering.notation import notation
from pythons import EQUIPPED_VERSIONS, NOTEBOOK_VERSIONS
from spool_reader import TARGETS, Spool, Trace, equipped_interpreter, without_numbers

# The module of a class differs between versions of a library.
MODULE = re.compile(r"<(?:class )?(?:numpy|pandas|polars|dask|sqlalchemy|__main__)\.(?:[a-z_]+\.|<locals>\.)*")


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
    return {call.args["name"]: plain(without_numbers(call.args["value"])) for call in calls}


def plain(value: Any) -> Any:
    """Return a recorded value without modules and the functions that classes were defined in."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return re.sub(r"\w+_values\.<locals>\.", "", MODULE.sub("<", value)) if isinstance(value, str) else value


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_values_of_numpy_are_written_by_shape_dtype_and_content(show_values: ShowValues, version: str) -> None:
    values = shown(show_values(version, "numpy"))
    scalars = {
        "float64": 1.5, "float32": {"$float": "nan"}, "int32": 7, "uint64": 2**64 - 1, "bool": True, "complex64": "(1+2j)",
        "str": "text", "bytes": {"$bytes": "raw"}, "timedelta64": "5 days", "datetime64": "2025-01-02T03:04:05.123456789",
    }  # fmt: skip
    for name, value in scalars.items():
        scalar = values.pop(name)
        assert (scalar["$type"].rstrip("_"), scalar["value"]) == (name, value)
    assert {name: notation(value) for name, value in values.items()} == {
        "array": "ndarray(shape=(3, 4), dtype='float64', min=0.0, max=0.0, first=[0.0, 0.0, 0.0, 0.0, 0.0])",
        "missing": "ndarray(shape=(4,), dtype='float64', min=-inf, max=1.5, nan=1, first=[1.5, nan, -inf, 0.1])",
        "single": "ndarray(shape=(1,), dtype='float32', min=0.1, max=0.1, first=[0.1])",
        "swapped": "ndarray(shape=(2,), dtype='>f8', min=1.5, max=2.5, first=[1.5, 2.5])",
        "columns first": "ndarray(shape=(2, 3), dtype='int64', min=0, max=5, first=[0, 1, 2, 3, 4])",
        "every other": "ndarray(shape=(5,), dtype='int64', min=1, max=9, first=[9, 7, 5, 3, 1])",
        "large": "ndarray(shape=(100000, 4), dtype='int64', min=1, max=4, sampled=256, first=[1, 2, 3, 4, 1])",
        "texts": "ndarray(shape=(2,), dtype='<U1', first=['a', 'b'])",
        "days": "ndarray(shape=(2,), dtype='datetime64[ns]', first=['2025-01-02T00:00:00', 'NaT'])",
        "empty": "ndarray(shape=(0, 3), dtype='float64')",
        "hidden": "ndarray(shape=(1,), dtype='<U20', first=[[REDACTED]])",
        "row": "ndarray(shape=(5,), dtype='int8', min=0, max=4, first=[0, 1, 2, 3, 4])",
        "scalar array": "ndarray(shape=(), dtype='float64', min=5.0, max=5.0, first=[5.0])",
        "objects": "ndarray(shape=(1,), dtype='object', first=['<Own>'])",
        "records": "ndarray(shape=(2,), dtype=\"[('id', '<i4'), ('name', '<U5')]\")",
        "masked": "MaskedArray(shape=(2,), dtype='int64')",
        "own": "Own(shape=(2, 2), dtype='float64', min=0.0, max=0.0, first=[0.0, 0.0, 0.0, 0.0])",
        "dtype": "'<dtype float32>'",
        "function": "'<ufunc add>'",
        "class": "'<ndarray>'",
        "in containers": "{'mean': [float64(0.5)], 'shape': ndarray(shape=(2,), dtype='float64', min=0.0, max=0.0, "
        "first=[0.0, 0.0])}",
        "error": "LinAlgError('Singular matrix')",
    }


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_values_of_pandas_are_written_by_columns_dtypes_and_first_items(show_values: ShowValues, version: str) -> None:
    # The columns of texts have another dtype since pandas 3.
    values = {
        name: notation(value).replace("StringDtype", "object")
        for name, value in shown(show_values(version, "pandas")).items()
    }
    days = "['2025-01-02T00:00:00', '2025-01-02T00:00:00', '2025-01-02T00:00:00']"
    wide = values.pop("wide")
    assert wide.startswith("DataFrame(shape=(1, 300), columns={'0': 'int64', '1': 'int64',")
    assert "'49': 'int64', …(+250 items)}, first={'0': [0], '1': [1]," in wide
    assert values == {
        "frame": "DataFrame(shape=(3, 4), columns={'number': 'int64', 'price': 'float64', 'kind': 'category', "
        "'at': 'datetime64[ns]'}, first={'number': [1, 2, 3], 'price': [1.5, 2.0, 3.5], 'kind': ['a', 'b', 'a'], "
        f"'at': {days}}})",
        "nested": "{'rows': [DataFrame(shape=(3, 1), columns={'number': 'int64'}, first={'number': [1, 2, 3]})], "
        "'none': None}",
        "hidden": "DataFrame(shape=(1, 2), columns={'id': 'int64', 'password': 'object'}, "
        "first={'id': [1], 'password': [REDACTED]})",
        "hidden series": "Series(shape=(1,), dtype='object', name='password', first=[REDACTED])",
        "same names": "DataFrame(shape=(1, 2), columns={'a': 'int64', 'a (2)': 'int64'}, "
        "first={'a': [1], 'a (2)': [2]})",
        "numbered": "DataFrame(shape=(1, 2), columns={0: 'float64', 1: 'float64'}, first={0: [0.0], 1: [0.0]})",
        "objects": "DataFrame(shape=(1, 1), columns={'item': 'object'}, first={'item': [Hostile()]})",
        "missing": "Series(shape=(2,), dtype='float64', name='score', min=1.0, max=1.0, nan=1, first=[1.0, nan])",
        "empty": "DataFrame(shape=(0, 0), columns={})",
        "own": "Frame(shape=(1, 1), columns={'a': 'int64'}, first={'a': [1]})",
        "series": "Series(shape=(3,), dtype='float64', name='price', min=1.5, max=3.5, first=[1.5, 2.0, 3.5])",
        "category": "Series(shape=(3,), dtype='category', name='kind', first=['a', 'b', 'a'])",
        "row": "Series(shape=(4,), dtype='object', first={'number': int64(1), 'price': float64(1.5), 'kind': 'a', "
        "'at': Timestamp('2025-01-02T00:00:00')})",
        "range": "RangeIndex(shape=(3,), dtype='int64', first=[0, 1, 2])",
        "dates": f"DatetimeIndex(shape=(3,), dtype='datetime64[ns]', first={days})",
        "intervals": "IntervalIndex(shape=(3,), dtype='interval')",
        "multi-index": "MultiIndex(shape=(3,))",
        "by multi-index": "DataFrame(shape=(3, 2), columns={'price': 'float64', 'at': 'datetime64[ns]'}, "
        f"first={{'price': [1.5, 2.0, 3.5], 'at': {days}}})",
        "extension array": "IntegerArray(shape=(3,), first=[1, None, 3])",
        "timestamp": "Timestamp('2025-01-02T03:04:05')",
        "timedelta": "Timedelta('1 day, 0:00:00')",
        "no time": "'<NaTType>'",
        "grouped": "'<DataFrameGroupBy>'",
        "accessor": "'<DatetimeProperties>'",
        "tuple": "Pandas(Index=0, number=1, price=1.5)",
        "error": "ParserError('line 3')",
    }


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_values_of_polars_are_written_by_columns_dtypes_and_first_items(show_values: ShowValues, version: str) -> None:
    assert {name: notation(value) for name, value in shown(show_values(version, "polars")).items()} == {
        "frame": "DataFrame(shape=(4, 3), columns={'n': 'Int64', 'name': 'String', 'day': 'Date'}, first={'n': [1, 2, 3], "
        "'name': ['x', None, 'y'], 'day': [date('2025-01-02'), date('2025-01-02'), date('2025-01-02')]})",
        "own": "Own(shape=(1, 1), columns={'a': 'Int64'}, first={'a': [1]})",
        "empty": "DataFrame(shape=(0, 0), columns={})",
        "wide": "DataFrame(shape=(1, 600))",
        "hidden": "DataFrame(shape=(1, 1), columns={'password': 'String'}, first={'password': [REDACTED]})",
        "series": "Series(shape=(2,), dtype='Float64', name='v', null=1, first=[1.5, None])",
        "hidden series": "Series(shape=(1,), dtype='String', name='password', first=[[REDACTED]])",
        "lazy": "'<LazyFrame>'",
        "expression": "'<Expr>'",
    }


@pytest.mark.parametrize("version", NOTEBOOK_VERSIONS)
def test_arrays_that_are_not_computed_yet_are_written_by_their_metadata(show_values: ShowValues, version: str) -> None:
    assert {name: notation(value) for name, value in shown(show_values(version, "dask")).items()} == {
        "array": "Array(shape=(10, 20), dtype='float64')",
        "lazy": "Array(shape=(4,), dtype='float64')",
        "delayed": "'<Delayed>'",
    }


@pytest.mark.parametrize("version", NOTEBOOK_VERSIONS)
def test_arrays_and_tracers_of_jax_are_written_by_their_metadata(show_values: ShowValues, version: str) -> None:
    values = {name: notation(value) for name, value in shown(show_values(version, "jax")).items()}
    assert values == {
        "array": "ArrayImpl(shape=(2, 3), dtype='float32')",
        "tracer": "DynamicJaxprTracer(shape=(), dtype='float32')",
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
        "url": {
            "$type": "Link",
            "url": {"$type": "AnyUrl", "_url": {"$type": "Url", "value": "redis://bob:[REDACTED]@cache/0"}},
        },
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
