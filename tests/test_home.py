"""The home page without a browser: its parts, its way to the lessons, and how soon it is there."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mlcore.data.mnist import open_source
from tests.conftest import ROOT
from ui.home import networks_picture, product_picture, some_digits

# What a first page has no business loading: each costs a visitor who waits for an app to wake up.
HEAVY = {"torch", "torchvision", "altair", "scipy", "sklearn", "sqlalchemy", "loky", "networkx", "mlxtend"}


@pytest.fixture(scope="module")
def home() -> AppTest:
    return AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()


def test_it_says_what_this_is_and_names_three_lessons(home: AppTest) -> None:
    assert not home.exception
    assert home.title[0].value == "Backprop Lab"
    assert [heading.value for heading in home.subheader][:3] == [
        "1 · Forward and backward",
        "2 · A network from scratch",
        "3 · Networks A and B",
    ]


def test_the_digits_are_three_real_ones_of_each_kind() -> None:
    png, one, _ = some_digits()
    assert png.startswith(b"\x89PNG")
    sample = open_source("sample")
    assert (sample.images == one).all(axis=1).any()


def test_the_pictures_show_the_reports_numbers() -> None:
    svg, alt = product_picture()
    # R2: q = x1·w1 = −1.05, t = x2·w2 = −0.119, p = q + t = −1.169.
    for number in ("−1.05", "−0.119", "−1.169"):
        assert f">{number}<" in svg
    assert "gradient" in alt
    svg, _ = networks_picture()
    assert "67,466 parameters" in svg
    assert "399,498 parameters" in svg


def test_it_loads_nothing_heavy() -> None:
    code = (
        "import logging; logging.disable()\nfrom streamlit.testing.v1 import AppTest\nimport sys\n"
        "before = set(sys.modules)\n"
        "app = AppTest.from_file('streamlit_app.py', default_timeout=60).run()\nassert not app.exception\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before}, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & HEAVY


def test_a_random_page_address_does_not_break_it() -> None:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    app.query_params["me"] = "<script>alert(1)</script>"
    app.query_params["x"] = "1" * 5000
    app.run()
    assert not app.exception


def test_digits_of_the_picture_are_drawn_without_global_randomness() -> None:
    some_digits.clear()
    np.random.seed(1)  # noqa: NPY002 - to show that it does not matter
    first = some_digits()[0]
    some_digits.clear()
    np.random.seed(2)  # noqa: NPY002
    assert some_digits()[0] == first
