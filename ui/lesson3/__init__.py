"""The sections of lesson 3, one file each; `pages/3_Networks_A_and_B.py` puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ui.lesson3 import findings, inside, recorded, report, train, versus
from ui.links import LinkState

STYLE = Path(__file__).parent / "style.css"
SECTIONS: Mapping[str, Callable[[LinkState], None]] = {
    "recorded": recorded.draw,
    "report": report.draw,
    "train": train.draw,
    "findings": findings.draw,
    "inside": inside.draw,
    "versus": versus.draw,
}
