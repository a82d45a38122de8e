"""How long a person waits for the first thing: `python -m mlcore graph …` to answer, the app's first page to stand.

`python -m benchmarks.startup` prints a Markdown table. The app is started as `make run` starts it; the clock stops when
its title and its three lessons are on screen in a Chromium that was already open.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from statistics import median
from typing import Any

from benchmarks.measure import ROOT, markdown

REPORT = "(x1*w1+x2*w2)*(x3*w3+x4*w4)"
VALUES = {"x1": 0.7, "w1": -1.5, "x2": 0.34, "w2": -0.35, "x3": 0.2, "w3": -0.25, "x4": -0.9, "w4": 0.2}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def graph_command() -> float:
    """Seconds from typing the report's f to its gradients."""
    options = [part for name, value in VALUES.items() for part in ("--set", f"{name}={value}")]
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "mlcore", "graph", REPORT, *options, "--json"], cwd=ROOT, check=True, capture_output=True
    )
    return time.perf_counter() - began


def first_page(browser: Any) -> float:
    """Seconds from `streamlit run` to the home page's title and lessons on screen."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = browser.new_context()
    tab = context.new_page()
    began = time.perf_counter()
    options = ["--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        tab.goto(f"http://127.0.0.1:{port}/")
        tab.get_by_role("heading", level=1).wait_for(timeout=60_000)
        return time.perf_counter() - began
    finally:
        context.close()
        server.terminate()
        server.wait(30)


def _wait_for(port: int) -> None:
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port} after a minute")


def rows(repetitions: int = 5) -> list[dict[str, Any]]:
    """Median seconds and what they must stay under."""
    from playwright.sync_api import sync_playwright

    found = {"python -m mlcore graph, the report's f": (0.4, median(graph_command() for _ in range(repetitions)))}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        found["streamlit run to first page on screen"] = (3.0, median(first_page(browser) for _ in range(repetitions)))
        browser.close()
    return [
        {
            "work": work,
            "ours_seconds": seconds,
            "peer": "limit",
            "peer_seconds": limit,
            "ratio": limit / seconds,
            "target": f"≤ {limit:g} s",
            "met": seconds <= limit,
        }
        for work, (limit, seconds) in found.items()
    ]


if __name__ == "__main__":
    print(markdown(rows()))
