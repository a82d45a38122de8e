"""How long one update of lesson 2 takes: of the live panel while training, and of the time machine.

    .venv/bin/python benchmarks/lesson2_update.py [--seconds 20] [--moves 24] [--json]

Live: one visitor of the real app trains the report's network and polls its panel each second, over Streamlit's own
websocket; measured is the time from the question to the end of the answer. Goal: 30 ms at the median.

Time machine: in a browser, through a run of 25 epochs on the sample; measured is the time from the press of an arrow
key on the slider to the frame after the one in which the confusion matrix and the picture of the weights are both
drawn anew; and, as "all of it", to the frame in which all curves have been drawn with their cursor moved, too. Goal for
both: 200 ms at the median. On the way down every epoch is visited for the first time, so nothing is cached yet.

Besides the clock, the server's processor time for the same work is given: on a busy machine it is what to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

GOALS = {"live update": 30.0, "time machine": 200.0, "time machine, all of it": 200.0}
PORT = 8632
EPOCHS = 25
WARM = 3
PAUSE = 500  # milliseconds between moves


def live(seconds: float, directory: Path) -> dict[str, float]:
    """Milliseconds of each poll of the live panel, after the first two."""
    from benchmarks.classroom import app
    from benchmarks.visitors import Visitor
    from benchmarks.watch import processor_seconds
    from mlcore.runtime import new_token

    visitor = Visitor(PORT, new_token(), {"source": "sample", "epochs": "1000", "initializer": "he"})
    with app(PORT, directory, "", {}) as server:
        spent: list[float] = []

        async def watch() -> None:
            visiting = asyncio.create_task(visitor.visit(time.monotonic() + 600 + seconds))
            # The first polls meet workers that are still starting.
            while len(visitor.answers) < WARM and not visiting.done():
                await asyncio.sleep(0.1)
            before, answered = processor_seconds(server), len(visitor.answers)
            await asyncio.sleep(seconds)
            spent.append((processor_seconds(server) - before) / max(len(visitor.answers) - answered, 1))
            visiting.cancel()

        asyncio.run(watch())
    if visitor.failures:
        raise SystemExit(f"the live panel failed: {visitor.failures}")
    return _figures([1000 * answer for answer in visitor.answers[WARM:]], 1000 * spent[0])


# Notes when each chart was last drawn, be it as SVG or on a canvas, and keeps per key the milliseconds until the matrix
# and the picture were new (`first`), and until every chart was (`all`).
WATCH = """() => {
    const CHART = "[data-testid=stVegaLiteChart]", drawn = new Map(), moves = window.moves = [];
    const note = (element) => {
        const chart = (element.nodeType === 1 ? element : element.parentElement)?.closest(CHART);
        if (chart) drawn.set(chart, performance.now());
    };
    for (const name of ["clearRect", "fill", "stroke"]) {
        const plain = CanvasRenderingContext2D.prototype[name];
        CanvasRenderingContext2D.prototype[name] = function (...given) {
            note(this.canvas);
            return plain.apply(this, given);
        };
    }
    new MutationObserver((changes) => changes.forEach(({target}) => { if (target.closest?.("svg")) note(target); }))
        .observe(document, {subtree: true, childList: true, attributes: true});
    const picture = () => document.querySelector("img[alt*='of the first layer']");
    addEventListener("keydown", (event) => {
        if (!event.key.startsWith("Arrow")) return;
        const began = event.timeStamp, before = picture().src, move = {};
        moves.push(move);
        const since = () => performance.now() - began;
        const frame = () => {
            const charts = [...document.querySelectorAll(CHART)], fresh = (chart) => drawn.get(chart) > began;
            const image = picture(), shown = image && image.complete && image.src !== before;
            if (!move.first && shown && fresh(charts[MATRIX])) requestAnimationFrame(() => { move.first = since(); });
            if (!move.all && shown && charts.every(fresh)) requestAnimationFrame(() => { move.all = since(); });
            if (since() < 10_000 && !(move.first && move.all)) requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
    }, true);
}""".replace("MATRIX", "2")  # after the two curves


def time_machine(moves: int, directory: Path) -> dict[str, dict[str, float]]:
    """Milliseconds from a key on the slider to what follows it on the screen, after two moves that warm up."""
    from playwright.sync_api import sync_playwright

    from benchmarks.classroom import app
    from benchmarks.watch import processor_seconds
    from tests.browser import ARGUMENTS, find_chromium, settle

    with app(PORT, directory, "", {}) as server, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        page = chromium.new_page(viewport={"width": 1280, "height": 1600})
        page.set_default_timeout(120_000)
        page.add_init_script(f"({WATCH})()")
        page.goto(f"http://127.0.0.1:{PORT}/Network_from_scratch?section=train&initializer=he&epochs={EPOCHS}")
        page.get_by_role("button", name="Train", exact=True).click()
        page.get_by_text("Finished").wait_for()
        page.get_by_role("button", name="Open the time machine").click()
        page.get_by_alt_text("of the first layer").wait_for()
        settle(page, quiet=2)
        page.get_by_role("slider", name="Epoch").focus()
        spent = []
        for number in range(moves + 2):
            before = processor_seconds(server)
            page.keyboard.press("ArrowLeft" if number // (EPOCHS - 1) % 2 == 0 else "ArrowRight")
            page.wait_for_function("() => moves.at(-1).first && moves.at(-1).all")
            page.wait_for_timeout(PAUSE)
            spent.append(1000 * (processor_seconds(server) - before))
        taken = page.evaluate("() => moves")[2:]
        chromium.close()
    processor = statistics.mean(spent[2:])
    return {
        "time machine": _figures([move["first"] for move in taken], processor),
        "time machine, all of it": _figures([move["all"] for move in taken], processor),
    }


def _figures(milliseconds: list[float], processor: float) -> dict[str, float]:
    ranked = sorted(milliseconds)
    return {
        "median_ms": statistics.median(ranked),
        "p95_ms": ranked[int(0.95 * (len(ranked) - 1))],
        "processor_ms": processor,
        "count": len(ranked),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the live panel is polled")
    parser.add_argument("--moves", type=int, default=24, help="moves of the slider")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lesson2-update-", ignore_cleanup_errors=True) as directory:
        found: dict[str, dict[str, Any]] = {"live update": live(options.seconds, Path(directory))}
        found |= time_machine(options.moves, Path(directory))
    for name, figures in found.items():
        figures["goal_ms"] = GOALS[name]
        figures["met"] = figures["median_ms"] <= GOALS[name]
    if options.json:
        print(json.dumps(found))
        return 0
    for name, figures in found.items():
        print(
            f"{name}: {figures['median_ms']:.1f} ms at the median, {figures['p95_ms']:.1f} ms at the 95th percentile "
            f"of {figures['count']}; {figures['processor_ms']:.1f} ms of the server's processor time; goal "
            f"{figures['goal_ms']:.0f} ms"
        )
    print(f"load: {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
