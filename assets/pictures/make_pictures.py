"""Takes the README's pictures again from the running app: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from tests.browser import ARGUMENTS, find_chromium, settle, start_app, stop_app  # noqa: E402

SHOTS = {
    "home.png": ("", "light"),
    "forward_and_backward.png": ("Forward_and_backward?step=16", "light"),
    "network_from_scratch.png": ("Network_from_scratch", "light"),
    "networks_a_and_b.png": ("Networks_A_and_B", "dark"),
}
WIDTH, HEIGHT = 1280, 900


def take(page: Page, url: str, path: Path) -> None:
    """One picture of the first screen of a page, with few colours, so that the file stays small."""
    page.goto(url)
    settle(page)
    page.wait_for_timeout(2500)  # charts draw after the page has settled
    page.screenshot(path=str(path))
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(HERE.parent.parent)}: {path.stat().st_size // 1000} kB")


def main() -> int:
    """Start the app with a fresh database, take the pictures, stop it."""
    chromium = find_chromium()
    if chromium is None:
        print("No Chromium was found: install one, or set LAB_CHROMIUM to its path.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        app = start_app(Path(place))
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            for name, (path, theme) in SHOTS.items():
                context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme)
                take(context.new_page(), f"{app.url}/{path}", HERE / name)
                context.close()
        finally:
            browser.close()
            stop_app(app)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
