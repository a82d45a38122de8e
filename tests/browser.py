"""Find a Chromium to drive, and start the app for it.

`python -m tests.browser` (the Makefile does so) says which browser the tests will use, and fetches one where there is
none.
Looked for in this order: $LAB_CHROMIUM, a Chromium or Chrome of the system, the one Playwright keeps for itself.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import ROOT, find_mnist

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
WAIT = 30_000  # milliseconds


def find_chromium() -> str | None:
    """The path of a Chromium, or None."""
    given = os.environ.get("LAB_CHROMIUM")
    if given:
        return given if Path(given).exists() else None
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    return _playwright_own()


def _playwright_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@dataclass
class App:
    """The running app."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def logged(self) -> str:
        """All it has logged so far."""
        return self.log.read_text(errors="replace")


def start_app(place: Path, **environment: str) -> App:
    """Start the app with its runs in `place`; the caller stops it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mnist = find_mnist()
    variables = {
        **os.environ,
        "LAB_DIRECTORY": str(place),
        "LAB_DATABASE_URL": "",
        "LAB_NICE": "0",  # training steps back for the pages, but must not starve beside other tests
        **({"MLCORE_DATA": str(mnist)} if mnist else {}),
        **environment,
    }
    log = place / "app.log"
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
    running = App(f"http://127.0.0.1:{port}", log, process)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the app ended at once:\n{running.logged()}")
        try:
            with urllib.request.urlopen(f"{running.url}/_stcore/health", timeout=2):
                return running
        except OSError:
            time.sleep(0.1)
    stop_app(running)
    raise RuntimeError(f"the app did not answer within a minute:\n{running.logged()}")


def stop_app(running: App) -> None:
    """End the app and whatever it started."""
    running.process.terminate()
    try:
        running.process.wait(15)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait(15)


def settle(page: Page, *, quiet: float = 0.4) -> None:
    """Wait until the app has run the page to its end, and what it sent is drawn and stays still for a moment."""
    page.wait_for_selector("h1")
    deadline = time.monotonic() + 2 * WAIT / 1000  # a busy machine may need long
    seen = None
    since = time.monotonic()
    while time.monotonic() < deadline:
        now_seen = page.evaluate(_STATE)
        now = time.monotonic()
        if now_seen is None or now_seen != seen:
            seen, since = now_seen, now
        elif now - since >= quiet:
            return
        page.wait_for_timeout(60)
    raise AssertionError("the page was still running after a minute")


WATCH_QUESTIONS = """{
  // A server that is busy has not begun yet what it was asked: its first message after a question is the beginning.
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (this.url.includes("/_stcore/stream")) {
      window.askedAt = performance.now();
      if (!this.heard) {
        this.heard = true;
        this.addEventListener("message", () => { window.askedAt = undefined; });
      }
    }
    return send.call(this, data);
  };
}"""
"""For `add_init_script` of a browser context: lets `settle` wait for a server that has not answered yet."""

# The script may have ended while the browser still loads the code of what it has to draw: then a skeleton stands
# there, or the number of elements still grows.
_STATE = """() => {
  const app = document.querySelector("[data-testid='stApp']");
  const asked = performance.now() - window.askedAt < 20000; // not every message need have an answer
  const waiting = asked || app?.dataset.testScriptState !== "notRunning"
    || document.querySelector("[data-testid='stSkeleton']");
  return waiting ? null : document.getElementsByTagName("*").length;
}"""


def shoot(page: Page, path: Path) -> Path:
    """A picture of the whole page, however long it is."""
    height = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.stMainBlockContainer')].map(e => e.scrollHeight))"
    )
    width = page.viewport_size["width"]
    page.set_viewport_size({"width": width, "height": min(int(height) + 60, 8000)})
    settle(page)
    page.screenshot(path=str(path))
    return path


def main() -> int:
    """Say which browser the tests will use; try to fetch one where there is none."""
    found = find_chromium()
    if found is None:
        print("No Chromium found; asking Playwright to fetch one.", flush=True)
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        try:
            subprocess.run(command, check=False, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as problem:
            print(f"That did not work: {problem}")
        found = find_chromium()
    if found is None:
        print("Still no Chromium: the browser tests will be left out. Install one, or set LAB_CHROMIUM to its path.")
    else:
        print(f"Browser tests use {found}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
