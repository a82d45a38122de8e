"""The home page: what this is, the three lessons, and the digits they work on."""

import streamlit as st

from ui.home import card, layers_picture, networks_picture, product_picture, some_digits
from ui.images import show_png
from ui.page import APP, page

page(
    APP,
    icon=":material/home:",
    lead="See a gradient being computed, compute one yourself, train a network made of nothing but NumPy, and take two "
    "PyTorch networks apart. Two course reports, brought to life: their numbers reproduced, explained, and surpassed.",
)

png, one, names = some_digits()
first, second, third = st.columns(3)
with first:
    card(
        "1 · Forward and backward",
        product_picture(),
        "Walk an expression forward and every gradient back, one node at a time.",
        [
            "write the chain rule for any path, with its numbers",
            "say what each node hands to the one before it",
            "try your own expression",
        ],
        "pages/1_Forward_and_backward.py",
        "Start with one expression",
    )
with second:
    card(
        "2 · A network from scratch",
        layers_picture(one),
        "Train a network on handwritten digits, with every line of it in NumPy.",
        [
            "choose layers, activation and initial weights",
            "watch it learn, and find the digits it confuses",
            "find out what cost a report ten points",
        ],
        "pages/2_Network_from_scratch.py",
        "Train your first network",
    )
with third:
    card(
        "3 · Networks A and B",
        networks_picture(),
        "Two PyTorch networks, with and without dropout and a learning-rate schedule.",
        [
            "see overfitting begin, in curves and in words",
            "tell what dropout and a schedule really change",
            "lay your own run over a recorded one",
        ],
        "pages/3_Networks_A_and_B.py",
        "Compare the two networks",
    )

st.subheader("The digits", anchor=False)
st.markdown(
    "Everything is trained on MNIST: 70,000 digits written by hand, 28 × 28 grey pixels each. A sample of 5,000 is "
    "always here, so the lessons work without a download; all of MNIST can be fetched with "
    "`python -m mlcore data download`."
)
show_png(png, alt=f"Thirty handwritten digits: the digits {names}, each from three hands.", width="stretch")

st.subheader("How to use it", anchor=False)
st.markdown(
    """
- **Predict first.** Before a result appears you are often asked what you expect. A wrong guess teaches as well as a
  right one, because the answer follows at once.
- **Change one thing.** A run can be wound back to the same initial weights, so what differs is what you changed.
- **Nothing is lost.** A reload or a visit to another lesson does not stop training. After a minute without you it
  waits, and goes on when you come back.
- **Ours and theirs.** Figures from the two reports are named as the reports'. Every figure called ours comes from a run
  that you can repeat with the command beside it. A difference inside the 95 % interval is called noise, and the page
  says so.
- **Share it.** *Copy link* on each page keeps inputs, settings and the selected run; it does not hand over your runs.
"""
)
