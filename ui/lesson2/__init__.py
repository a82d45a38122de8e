"""The sections of lesson 2, one file each, in the order of the lesson; `SECTIONS` says which function draws which."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ui.lesson2 import check, compare, digits, glass, report_table, results, time_machine, training
from ui.links import LinkState

SECTIONS: Mapping[str, Callable[[LinkState], None]] = {
    "digits": digits.draw,
    "train": training.draw,
    "results": results.draw,
    "time": time_machine.draw,
    "table1": report_table.draw,
    "step": glass.draw,
    "check": check.draw,
    "compare": compare.draw,
}
