"""Name the cells of notebooks: their code has the name of a file that does not exist.

IPython calls the code of a cell ``<ipython-input-3-7bb0bcfd1a22>``, ipykernel ``/tmp/ipykernel_4242/1350882105.py``.
"""

from __future__ import annotations

from ..record_format import CELL_FILE
from ..runtime.classes import attribute_of, imported_class, namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_IPYTHON = "<ipython-input-"


def cell_name(filename: str) -> str:
    """Return the name of the cell that a code object's file stands for, ``In [3]``; empty if it is not known."""
    number = _number_in_shell(filename)
    if number is None and filename.startswith(_IPYTHON):
        digits = filename[len(_IPYTHON) :].partition("-")[0]
        number = int(digits) if digits.isdigit() and len(digits) < 10 else None
    return "" if number is None else CELL_FILE % number


def _number_in_shell(filename: str) -> Any:
    """Return the number by which IPython's compiler knows a file, None if it does not."""
    shell_class = imported_class("IPython.core.interactiveshell", "InteractiveShell")
    shell = None if shell_class is None else namespace(shell_class).get("_instance")
    numbers = attribute_of(attribute_of(shell, "compile"), "_filename_map")
    number = dict.get(numbers, filename) if type(numbers) is dict else None
    return number if type(number) is int else None
