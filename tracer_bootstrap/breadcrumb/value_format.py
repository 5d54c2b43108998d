"""The format of a recorded value: the marks in its JSON text, which the tracer writes and storage and server read.

None, bool, int, float, str, list and dict stand there as JSON. Any other value is one of these (docs/values.md has a
table of examples):

- An object whose first key is one of ``*_KEY``: ``{"$tuple": [1, 2]}``, ``{"$float": "nan"}``, ``{"$bytes": "raw"}``.
- An instance of another class: ``{"$type": "Cart", "$object": 1, "total": 5}``, its class, the number of the object
  if it has one, and its fields. A future, a lock or the like has its ``$state`` before the fields. A subclass of a
  built-in type has its content as ``items`` or ``value``, an exception its arguments as ``args``. A number, date, path
  or the like of the standard library has the text that it is made from as ``value``: ``{"$type": "Decimal", "value":
  "1.20"}``.
- A value that Python's notation names: ``{"$type": "Color", "$repr": "Color.RED"}``, its class and that notation.
- A text in angle brackets where only the type or a name is of use: ``"<function shop.total>"``, ``"<list of 3>"``. An
  object that is too deep in others keeps its number: ``"<Cart#1>"``.

A cut says how much is missing: in a text or list with ``…(+42 chars)`` or ``…(+42 items)`` at its end, in a dict with
an entry ``"…": "+42 items"``, in bytes with ``…`` at the end and the number of all as ``size``.

This module holds constants only. Where the tracer writes a mark for each value it spells it out in a template of JSON,
as that is faster; ``tests/test_shared_constants.py`` holds that these are the same.
"""

# First key of the object that stands for a value.
TYPE_KEY = "$type"  # name of the class; the other keys are the fields
VALUE_FIELD = "value"  # after TYPE_KEY and alone: what the value is made from, a number or a text
REPR_KEY = "$repr"  # after TYPE_KEY: the value in Python's notation
OBJECT_KEY = "$object"  # after TYPE_KEY: the number of the object among those of its class's name in the process
STATE_KEY = "$state"  # after those: the state of a future, a lock, a generator or the like, in words

# Regular expressions that find the number of an object in a value's JSON text: after its class, and at the end of a
# text in angle brackets. Values of different objects, or of two runs, are compared without it.
OBJECT_KEY_PATTERN = r', "\$object": [0-9]+'
OBJECT_MARK_PATTERN = r'#[0-9]+>"'  # also takes the end of the text, '>"'

# Fields of an array or a table, after its shape and its dtype or columns.
FIRST_FIELD = "first"  # the first items; of a table, by column
SAMPLED_FIELD = "sampled"  # number of the items from which the fields before it were found, if not from all
TUPLE_KEY = "$tuple"  # list of the items
SET_KEY = "$set"  # list of the items, in an order that does not change from run to run
FROZENSET_KEY = "$frozenset"  # as SET_KEY
FLOAT_KEY = "$float"  # "nan", "inf" or "-inf", for which JSON has no numbers
BYTES_KEY = "$bytes"  # text of the bytes, \xNN for what is no text
BYTEARRAY_KEY = "$bytearray"  # as BYTES_KEY
DELETED_KEY = "$deleted"  # true: the variable has no value any more

# In a dict, before the JSON of a key that is no text: 1 and "1" are two keys, and JSON has only the second.
KEY_MARK = "$key:"

# A value, or the part of a text, that is a secret.
REDACTED = "[REDACTED]"

# Marks of cuts: templates of the number that is missing, and regular expressions that find it.
CUT_MARK = "…"  # alone: end of cut bytes, and in a dict the key of ENTRIES_CUT
CUT_OPENING = "…(+"  # begins CHARS_CUT and ITEMS_CUT
CHARS_CUT = "…(+%d chars)"  # end of a cut text
CHARS_CUT_PATTERN = r"…\(\+(\d+) chars\)"
ITEMS_CUT = "…(+%d items)"  # last item of a cut list
ITEMS_CUT_PATTERN = r"…\(\+(\d+) items\)"
ENTRIES_CUT = "+%d items"  # under the key CUT_MARK, last entry of a cut dict or object
ENTRIES_CUT_PATTERN = r"\+(\d+) items"
