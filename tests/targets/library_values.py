"""Values of libraries, shown to the tracer one by one; what it must not run ends the program.

Called with the name of a function below. It prints what the libraries themselves have seen happen.
"""

import sys
from typing import Any, Optional


def show(name, value):
    return name


def bomb(*args, **kwargs):
    print("user code ran", file=sys.stderr)
    raise SystemExit(99)


def numpy_values():
    import numpy

    class Own(numpy.ndarray):
        shape = dtype = property(bomb)
        __len__ = __repr__ = __str__ = __getitem__ = __iter__ = tolist = flat = view = __array_wrap__ = bomb

        def __array_finalize__(self, source):
            assert not is_watched or bomb()

        def __buffer__(self, flags):
            return bomb()

    is_watched = False
    own = numpy.ndarray.view(numpy.zeros((2, 2)), Own)
    is_watched = True
    show("array", numpy.zeros((3, 4)))
    show("missing", numpy.array([1.5, numpy.nan, -numpy.inf, 0.1]))
    show("single", numpy.array([0.1], dtype="float32"))
    show("swapped", numpy.array([1.5, 2.5], dtype=">f8"))
    show("columns first", numpy.asfortranarray(numpy.arange(6).reshape(2, 3)))
    show("every other", numpy.arange(10)[::-2])
    show("large", numpy.tile(numpy.array([1, 2, 3, 4]), (100_000, 1)))
    show("texts", numpy.array(["a", "b"]))
    show("days", numpy.array(["2025-01-02", "NaT"], dtype="datetime64[ns]"))
    show("empty", numpy.zeros((0, 3)))
    show("hidden", numpy.array(["AKIAIOSFODNN7EXAMPLE"]))
    show("row", numpy.arange(5, dtype="int8"))
    show("scalar array", numpy.array(5.0))
    show("objects", numpy.array([Own], dtype=object))
    show("records", numpy.zeros(2, dtype=[("id", "i4"), ("name", "U5")]))
    show("masked", numpy.ma.array([1, 2], mask=[0, 1]))
    show("own", own)
    show("dtype", numpy.dtype("float32"))
    show("function", numpy.add)
    show("class", numpy.ndarray)
    for value in (
        numpy.float64(1.5), numpy.float32("nan"), numpy.int32(7), numpy.uint64(2**64 - 1), numpy.bool_(True),
        numpy.complex64(1 + 2j), numpy.str_("text"), numpy.bytes_(b"raw"), numpy.timedelta64(5, "D"),
        numpy.datetime64("2025-01-02T03:04:05.123456789"),
    ):  # fmt: skip
        show(type(value).__name__.rstrip("_"), value)
    show("in containers", {"mean": [numpy.float64(0.5)], "shape": numpy.zeros(2)})
    show("error", numpy.linalg.LinAlgError("Singular matrix"))


def pandas_values():
    import numpy
    import pandas

    class Hostile:
        __repr__ = __str__ = __eq__ = bomb

    class Frame(pandas.DataFrame):
        shape = columns = property(bomb)
        __len__ = __repr__ = __str__ = __iter__ = bomb

    frame = pandas.DataFrame(
        {
            "number": [1, 2, 3],
            "price": [1.5, 2.0, 3.5],
            "kind": pandas.Categorical(["a", "b", "a"]),
            "at": numpy.array(["2025-01-02"] * 3, dtype="datetime64[ns]"),
        }
    )
    show("frame", frame)
    show("nested", {"rows": [frame[["number"]]], "none": None})
    show("hidden", pandas.DataFrame({"id": [1], "password": ["pandas-Planted-7741"]}))
    show("hidden series", pandas.Series(["pandas-Planted-7742"], name="password"))
    show("same names", pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    show("numbered", pandas.DataFrame(numpy.zeros((1, 2))))
    show("objects", pandas.DataFrame({"item": numpy.array([Hostile()], dtype=object)}))
    show("missing", pandas.Series([1.0, None], name="score"))
    show("empty", pandas.DataFrame())
    show("wide", pandas.DataFrame({str(number): [number] for number in range(300)}))
    show("own", Frame({"a": [1]}))
    show("series", frame["price"])
    show("category", frame["kind"])
    show("row", frame.iloc[0])
    show("range", frame.index)
    show("dates", pandas.DatetimeIndex(frame["at"]))
    show("intervals", pandas.interval_range(0, 3))
    multiple = frame.set_index(["number", "kind"])
    show("multi-index", multiple.index)
    show("by multi-index", multiple)
    show("extension array", pandas.array([1, None, 3], dtype="Int64"))
    show("timestamp", pandas.Timestamp("2025-01-02T03:04:05"))
    show("timedelta", pandas.Timedelta("1D"))
    show("no time", pandas.NaT)
    show("grouped", frame.groupby("number"))
    show("accessor", frame["at"].dt)
    show("tuple", next(frame[["number", "price"]].itertuples()))
    show("error", pandas.errors.ParserError("line 3"))


def polars_values():
    import datetime

    import polars

    class Own(polars.DataFrame):
        columns = shape = property(bomb)
        __len__ = __repr__ = __str__ = row = rows = bomb

    frame = polars.DataFrame({"n": [1, 2, 3, 4], "name": ["x", None, "y", "z"], "day": [datetime.date(2025, 1, 2)] * 4})
    show("frame", frame)
    show("own", Own({"a": [1]}))
    show("empty", polars.DataFrame())
    show("wide", polars.DataFrame({str(number): [number] for number in range(600)}))
    show("hidden", polars.DataFrame({"password": ["polars-Planted-7751"]}))
    show("series", polars.Series("v", [1.5, None]))
    show("hidden series", polars.Series("password", ["polars-Planted-7752"]))
    show("lazy", frame.lazy())
    show("expression", polars.col("n"))


def dask_values():
    import dask.array
    import numpy

    def fails(block):
        return bomb()

    show("array", dask.array.zeros((10, 20), chunks=5))
    show("lazy", dask.array.map_blocks(fails, dask.array.zeros((4,), chunks=2), dtype=float, meta=numpy.array(0.0)))
    show("delayed", dask.delayed(bomb)())


def jax_values():
    import jax

    jax.config.update("jax_platforms", "cpu")
    show("array", jax.numpy.zeros((2, 3)))

    def double(x):
        show("tracer", x)
        return x * 2

    jax.jit(double)(1.5)


def attr_values():
    import attr

    @attr.define
    class Item:
        name: str
        price: float = 1.0
        token: str = attr.field(default="attrs-Planted-7721", repr=False)
        total = property(bomb)
        __repr__ = __eq__ = __hash__ = bomb

    @attr.frozen(slots=False)
    class Cart:
        items: list = attr.field(factory=list)

        def __attrs_post_init__(self):
            object.__setattr__(self, "size", len(self.items))

    @attr.s(cmp=False, repr=False)
    class Older:
        shown = attr.ib()
        _hidden = attr.ib(default=3)
        __repr__ = bomb

    @attr.define
    class Linked(Item):
        following: Any = None

        def __attrs_pre_init__(self):
            show("not built", self)

    @attr.define(eq=False)
    class Failure(Exception):
        code: int

    show("slots", Item("tea"))
    show("dict", Cart([Item("tea")]))
    show("older", Older(2))
    linked = Linked("a")
    linked.following = linked
    show("cycle", linked)
    show("error", Failure(5))


def pydantic_values():
    from pydantic import (
        AnyUrl,
        BaseModel,
        ConfigDict,
        PrivateAttr,
        RootModel,
        SecretBytes,
        SecretStr,
        ValidationError,
        computed_field,
    )  # fmt: skip

    class Address(BaseModel):
        street: str
        number: int = 1
        model_config = ConfigDict(frozen=True)

    class User(BaseModel):
        model_config = ConfigDict(extra="allow")
        name: str
        addresses: dict = {}
        partner: Optional["User"] = None
        hidden: SecretStr = SecretStr("model-Planted-7731")
        raw: SecretBytes = SecretBytes(b"model-Planted-7732")
        _visits: int = PrivateAttr(default=3)
        __repr__ = __str__ = __eq__ = __iter__ = bomb

        @computed_field
        @property
        def computed(self) -> int:
            return bomb()

        def __init__(self, **fields):
            show("not built", self)
            super().__init__(**fields)

    class Ids(RootModel[list]):
        pass

    class Link(BaseModel):
        url: AnyUrl

    class Hostile:
        __repr__ = __str__ = bomb

    user = User(name="ada", addresses={"home": Address(street="Mill Lane")}, color="red", api_key="model-Planted-7733")
    user.partner = user
    show("model", user)
    show("unset", User.model_construct())
    show("root", Ids([1, 2]))
    show("url", Link(url="redis://bob:model-Planted-7734@cache/0"))
    show("class", User)
    try:
        Address(street=Hostile(), number="one")
    except ValidationError as error:
        show("error", error)


def sqlalchemy_values():
    from sqlalchemy import Column, ForeignKey, Integer, String, create_engine, event, select
    from sqlalchemy.orm import Session, declarative_base, deferred, relationship

    Base = declarative_base()

    class Parent(Base):
        __tablename__ = "parent"
        id = Column(Integer, primary_key=True)
        name = Column(String)
        text = deferred(Column(String, default="long"))
        children = relationship("Child", back_populates="parent")
        __repr__ = __eq__ = bomb
        __hash__ = object.__hash__

    class Child(Base):
        __tablename__ = "child"
        id = Column(Integer, primary_key=True)
        parent_id = Column(ForeignKey("parent.id"))
        parent = relationship("Parent", back_populates="children")

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    session = Session(engine)
    parent = Parent(name="ada")
    show("transient", parent)
    parent.children.append(Child())
    session.add(parent)
    show("pending", parent)
    session.commit()
    show("expired", parent)
    session.expunge_all()
    parent = session.execute(select(Parent)).scalars().one()
    show("loaded", parent)
    rows = session.execute(select(Parent.id, Parent.name))
    show("result", rows)
    row = rows.one()
    show("row", row)
    show("mapping", row._mapping)
    show("statement", select(Parent).where(Parent.name == "ada"))
    show("session", session)
    show("list", parent.children)
    session.expunge_all()
    show("detached", parent)
    session.close()
    print(*[statement.split()[0] for statement in statements])


globals()[sys.argv[1]]()
