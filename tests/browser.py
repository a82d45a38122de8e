"""Find a Chromium to drive, and fetch one where there is none: `python tests/browser.py` (the Makefile does so).

Looked for in this order: $LAB_CHROMIUM, a Chromium or Chrome of the system, the one Playwright keeps for itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")


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
