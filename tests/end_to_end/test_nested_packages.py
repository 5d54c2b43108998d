"""The run report alone explains a failure deep in a program of nested packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythons import NEWEST
from spool_reader import interpreter

pytestmark = pytest.mark.anyio

PROGRAM = {
    "main.py": "from depot.api.orders import place\n\ndef main():\n    place({'id': 7, 'to': 'Oslo'}, express=True)\n\nmain()\n",
    "depot/__init__.py": "",
    "depot/api/__init__.py": "",
    "depot/api/orders.py": "from depot.core.shipping import ship\n\ndef place(order, express=False):\n"
    "    return ship(order['to'], weight=2.5 if express else 1.0)\n",
    "depot/core/__init__.py": "",
    "depot/core/shipping.py": "from depot.core.zones.lookup import Zones\n\ndef ship(city, weight):\n"
    "    return Zones({'Rome': 'south'}).price(city, weight)\n",
    "depot/core/zones/__init__.py": "",
    "depot/core/zones/lookup.py": "class Zones:\n    def __init__(self, known):\n        self.known = known\n\n"
    "    def price(self, city, weight):\n        return weight * len(self.zone_of(city))\n\n"
    "    def zone_of(self, name):\n        normal = name.title()\n        return self.known[normal]\n",
}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", NEWEST])
async def test_the_report_shows_the_error_its_place_and_the_arguments_up_the_call_chain(
    session, workspace: Path, version: str
) -> None:
    for name, text in PROGRAM.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)
    await session.project(workspace)
    report = await session.run(interpreter(version), "main.py")
    (exception,) = report["exceptions"]
    assert (exception["type"], exception["message"], exception["outcome"]) == ("KeyError", "'Oslo'", "uncaught")
    assert exception["raised_at"] == "depot/core/zones/lookup.py:10 Zones.zone_of"
    expected = [
        "main.py:6 <module>",
        "main.py:4 main()",
        "depot/api/orders.py:4 place(order={'id': 7, 'to': 'Oslo'}, express=True)",
        "depot/core/shipping.py:4 ship(city='Oslo', weight=2.5)",
        "depot/core/zones/lookup.py:6 Zones.price(self=Zones#1(known={'Rome': 'south'}), city='Oslo', weight=2.5)",
        "depot/core/zones/lookup.py:10 Zones.zone_of(self=Zones#1, name='Oslo')",
    ]
    assert [each.partition("  | ")[0] for each in exception["calls"]] == expected
    assert exception["calls"][1] == "main.py:4 main()  | place({'id': 7, 'to': 'Oslo'}, express=True)"
    assert "normal = 'Oslo'" in exception["locals"]
    assert (report["status"], report["exit_code"]) == ("failed", 1)
    assert len(report["report"]) < 2500
