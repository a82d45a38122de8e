"""The frame, the pictures, the code panel and the glossary."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from mlcore.data.splits import split_fraction
from mlcore.experiments.configs import ScratchConfig
from tests.conftest import ROOT
from ui.code import source_of
from ui.images import image_grid, weight_grid
from ui.page import PAGES
from ui.terms import GLOSSARY, explain, word


def open_png(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


# -- the frame ---------------------------------------------------------------------------------------------------------


def test_the_navigation_names_every_page_there_is() -> None:
    named = {entry.path for entry in PAGES}
    there = {"streamlit_app.py", *(f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py"))}
    assert named == there


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.label)
def test_every_page_has_the_frame(entry: object) -> None:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    if entry.path != "streamlit_app.py":  # type: ignore[attr-defined]
        app.switch_page(entry.path).run()  # type: ignore[attr-defined]
    assert not app.exception
    assert len(app.title) == 1
    assert len(app.sidebar.get("page_link")) == len(PAGES)


def test_a_page_run_on_its_own_still_draws() -> None:
    def script() -> None:
        from ui.page import page

        page("Alone", icon=":material/home:", lead="One sentence.").source("mnist")

    app = AppTest.from_function(script, default_timeout=30).run()
    assert not app.exception
    assert app.title[0].value == "Alone"


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_a_grid_keeps_every_pixel() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, 784), dtype=np.uint8)
    sheet = open_png(image_grid(images, columns=3, scale=2, gap=4))
    assert sheet.shape == (3 * 56 + 2 * 4, 3 * 56 + 2 * 4, 4)
    # The fifth image: second row, second column; ink (255) is drawn black.
    place = sheet[60 : 60 + 56 : 2, 60 : 60 + 56 : 2]
    assert (place[..., 0] == 255 - images[4].reshape(28, 28)).all()
    assert (place[..., 3] == 255).all()
    # Where there is no eighth image, nothing is drawn.
    assert (sheet[120:, 60:, 3] == 0).all()


def test_floats_and_bytes_give_the_same_picture() -> None:
    images = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
    assert image_grid(images) == image_grid(images / 255)


def test_weights_are_told_apart_by_sign() -> None:
    weights = np.zeros((1, 784))
    weights[0, 0], weights[0, 1] = 1.0, -1.0
    sheet = open_png(weight_grid(weights, scale=1, limit=1.0))
    positive, negative, zero = sheet[0, 0], sheet[0, 1], sheet[0, 2]
    assert positive[2] > positive[0]  # blue
    assert negative[0] > negative[2]  # orange
    assert zero.min() > 230  # paper
    assert image_grid(np.zeros((0, 784), dtype=np.uint8))  # nothing to show is no error
    assert weight_grid(np.full((2, 784), np.nan))


def test_captions_take_their_room() -> None:
    images = np.zeros((2, 784), dtype=np.uint8)
    plain = open_png(image_grid(images, scale=2))
    captioned = open_png(image_grid(images, scale=2, captions=["3", "5"]))
    assert captioned.shape[0] > plain.shape[0]
    below = captioned[plain.shape[0] :, :, 3]
    assert below[:, :56].any() and below[:, -56:].any()


# -- code and words ----------------------------------------------------------------------------------------------------


def test_the_code_shown_is_the_code_that_runs() -> None:
    source, place = source_of(split_fraction)
    assert source.startswith("def split_fraction(")
    assert place.startswith("mlcore/data/splits.py, line ")
    line = int(place.rsplit(" ", 1)[1])
    assert (ROOT / "mlcore/data/splits.py").read_text().splitlines()[line - 1].startswith("def split_fraction(")
    # A method loses its indentation.
    assert source_of(ScratchConfig.sizes.fget)[0].startswith("@property")


@pytest.mark.parametrize("name", GLOSSARY)
def test_every_term_is_a_sentence_and_its_formula_is_balanced(name: str) -> None:
    item = GLOSSARY[name]
    assert item.meaning[0].isupper() or item.meaning.startswith("`")
    assert item.meaning.endswith(".")
    assert item.formula.count("{") == item.formula.count("}")
    assert name in explain(name)
    assert f">{name}<" in word(name) or "&" in word(name)


def test_the_words_of_the_course_are_there() -> None:
    wanted = """gradient, local derivative, chain rule, upstream gradient, forward pass, backward pass, activation,
    softmax, cross-entropy, epoch, batch, learning rate, SGD, Adam, initialisation, Xavier, He, dropout, StepLR,
    overfitting, validation set, test set, Wilson interval, confusion matrix, precision, recall, F1, dead ReLU,
    saturation, vanishing gradient, logits, evaluation mode"""
    assert {name.strip() for name in wanted.split(",")} <= set(GLOSSARY)


def test_terms_open_with_their_formulas() -> None:
    def script() -> None:
        from ui.terms import term, terms

        term("softmax")
        terms("epoch", "batch")

    app = AppTest.from_function(script, default_timeout=30).run()
    assert not app.exception
    assert any("e^{z_k}" in item.value for item in app.latex)
