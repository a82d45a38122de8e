"""The words of the course, each in a sentence and a formula, explained where they stand.

term("softmax")                                  # a small button that opens the explanation
terms("epoch", "batch", "learning rate")         # several of them in a row
st.markdown(f"The {word('gradient')} of …", unsafe_allow_html=True)   # inside a sentence: a dotted word with a tip
number_field("Learning rate", help=explain("learning rate"), …)       # as the tooltip of any widget
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Term:
    """A word of the glossary: what it means in a sentence, and its formula in LaTeX (empty where words are enough)."""

    meaning: str
    formula: str = ""


GLOSSARY: dict[str, Term] = {
    # Gradients
    "gradient": Term(
        "How fast the result changes when one input changes a little: its sign says which way, its size how strongly.",
        r"\frac{\partial f}{\partial x} = \lim_{h \to 0} \frac{f(x+h) - f(x)}{h}",
    ),
    "local derivative": Term(
        "The derivative of one operation's output with respect to one of its own inputs, with no eye for the rest.",
        r"p = q \cdot r \;\Rightarrow\; \frac{\partial p}{\partial q} = r",
    ),
    "chain rule": Term(
        "The gradient along a path is the product of the local derivatives on it; several paths add up.",
        r"\frac{\partial f}{\partial x} = \sum_{u} \frac{\partial f}{\partial u}\,\frac{\partial u}{\partial x}",
    ),
    "upstream gradient": Term(
        "The gradient of the result with respect to a node's output. It arrives from the node's users, and the node "
        "multiplies it by its local derivatives.",
        r"\frac{\partial f}{\partial q} = \underbrace{\frac{\partial f}{\partial p}}_{\text{upstream}} \cdot \frac{\partial p}{\partial q}",
    ),
    "forward pass": Term(
        "Computing every node's value from the inputs to the result, keeping each value for the way back.",
        r"z^{(l)} = a^{(l-1)} W^{(l)} + b^{(l)}, \quad a^{(l)} = g(z^{(l)})",
    ),
    "backward pass": Term(
        "Going from the result back to the inputs and computing every gradient once, by the chain rule.",
        r"\frac{\partial f}{\partial f} = 1, \quad \bar u \mathrel{+}= \bar v\,\frac{\partial v}{\partial u}",
    ),
    "computation graph": Term(
        "An expression drawn as nodes and arrows: each node is one operation, each arrow carries a value to its user."
    ),
    "finite difference": Term(
        "A gradient measured instead of derived: nudge an input by h both ways and divide.",
        r"\frac{f(x+h) - f(x-h)}{2h}",
    ),
    "gradient check": Term(
        "Comparing the computed gradient with a finite difference; a small relative error is the proof.",
        r"\frac{|g - \hat g|}{\max(|g|, |\hat g|)}",
    ),
    "vanishing gradient": Term(
        "A product of many local derivatives below 1 shrinks towards 0, so early layers hardly learn.",
        r"\sigma'(z) \le \tfrac14 \;\Rightarrow\; \prod_{l=1}^{10} \sigma'(z_l) \le 4^{-10} \approx 10^{-6}",
    ),
    # Networks
    "neuron": Term("A weighted sum of inputs plus a bias, passed through an activation.", r"a = g(w \cdot x + b)"),
    "weight": Term("A number that says how strongly one unit listens to another; training changes it.", r"w_{ij}"),
    "bias": Term(
        "A number added to a unit's weighted sum; it moves the point where the unit becomes active.",
        r"z = w \cdot x + b",
    ),
    "activation": Term(
        "The function a unit applies to its weighted sum; without one, many layers would do no more than one.",
        r"a = g(z), \quad g \in \{\sigma, \tanh, \max(0, \cdot), \dots\}",
    ),
    "sigmoid": Term(
        "An activation that squeezes any number into (0, 1).",
        r"\sigma(z) = \frac{1}{1 + e^{-z}}, \quad \sigma' = \sigma(1-\sigma)",
    ),
    "tanh": Term("An activation that squeezes any number into (−1, 1).", r"\tanh z, \quad \tanh' = 1 - \tanh^2 z"),
    "ReLU": Term("An activation that passes positive numbers on and turns negative ones into 0.", r"\max(0, z)"),
    "leaky ReLU": Term(
        "A ReLU that lets a hundredth of negative numbers through, so that no unit goes silent for good.",
        r"\max(0.01\,z, z)",
    ),
    "dead ReLU": Term(
        "A unit whose sum is negative for every image: it outputs 0 and gets gradient 0, so its own weights stand "
        "still. Only changes in the layers below can wake it.",
        r"z_i < 0 \;\; \forall i \;\Rightarrow\; \frac{\partial L}{\partial w} = 0",
    ),
    "saturation": Term(
        "A sigmoid or tanh unit far out on its flat part: its derivative is close to 0, so almost no gradient passes.",
        r"|z| \gg 1 \;\Rightarrow\; g'(z) \approx 0",
    ),
    "logits": Term("The last layer's sums before softmax: any real numbers, one per class.", r"z = a W + b"),
    "softmax": Term(
        "Turns logits into probabilities: all positive, adding up to 1, the largest logit the most likely class.",
        r"p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}",
    ),
    "cross-entropy": Term(
        "The loss used here: minus the logarithm of the probability given to the right class, averaged over images.",
        r"L = -\frac{1}{n} \sum_{i=1}^{n} \log p_{i, y_i}",
    ),
    "loss": Term("One number that says how wrong the network is; training makes it smaller.", r"L(W, b)"),
    "accuracy": Term("The share of images that are classified rightly.", r"\frac{\text{right}}{\text{all}}"),
    "parameters": Term("All weights and biases together: what training changes.", r"\sum_l (n_{l-1} + 1)\, n_l"),
    # Training
    "epoch": Term("One pass over all training images.", r"\lceil n / \text{batch size} \rceil \text{ updates}"),
    "batch": Term(
        "The few images whose average gradient makes one update.",
        r"\frac{1}{m} \sum_{i \in \text{batch}} \nabla L_i",
    ),
    "learning rate": Term(
        "How far one update goes along the gradient: too small is slow, too large jumps about.",
        r"w \leftarrow w - \eta\, \frac{\partial L}{\partial w}",
    ),
    "SGD": Term(
        "Stochastic gradient descent: after every batch, a step against the batch's gradient.",
        r"w \leftarrow w - \eta\, g",
    ),
    "Adam": Term(
        "An optimizer that gives each weight its own step, from running averages of its gradient and of its square.",
        r"w \leftarrow w - \eta\, \frac{\hat m}{\sqrt{\hat v} + \varepsilon}",
    ),
    "initialisation": Term(
        "The random numbers the weights start with. Their size decides whether signals grow, fade or keep their size.",
        r"\operatorname{Var}(z) = n_{\text{in}} \operatorname{Var}(w) \operatorname{E}[a^2]",
    ),
    "Xavier": Term(
        "Initial weights sized so that tanh layers keep the size of signals both ways.",
        r"w \sim U\!\left(\pm \sqrt{\tfrac{6}{n_{\text{in}} + n_{\text{out}}}}\right)",
    ),
    "He": Term(
        "Initial weights sized so that ReLU layers keep the size of signals.",
        r"w \sim N\!\left(0, \tfrac{2}{n_{\text{in}}}\right)",
    ),
    "seed": Term("A number that fixes every random choice, so that a run can be repeated exactly."),
    "dropout": Term(
        "While training, each hidden activation is set to 0 with probability p and the others are enlarged to make up "
        "for it; when the network is judged, nothing is dropped.",
        r"a' = \frac{m \odot a}{1 - p}, \quad m_i \sim \text{Bernoulli}(1 - p)",
    ),
    "StepLR": Term(
        "A schedule that multiplies the learning rate by gamma every so many epochs.",
        r"\eta_t = \eta_0\, \gamma^{\lfloor t / \text{step} \rfloor}",
    ),
    "evaluation mode": Term(
        "How a network is judged: dropout off. In PyTorch `model.eval()`; losses measured with and without it do not compare."
    ),
    "weight norm": Term(
        "The length of a layer's weights taken as one vector.", r"\lVert W \rVert = \sqrt{\textstyle\sum_{ij} W_{ij}^2}"
    ),
    "gradient norm": Term("The length of a layer's gradient taken as one vector.", r"\lVert \nabla_W L \rVert"),
    # Judging
    "training set": Term("The images a network learns from."),
    "validation set": Term(
        "Images used while developing: to compare settings and to choose the best epoch. Not for the final figure."
    ),
    "test set": Term("Images looked at once, at the end: they took no part in training or in any choice."),
    "overfitting": Term(
        "Getting better on the training images and worse on others: the validation loss turns upward while the training loss falls.",
        r"L_{\text{validation}} - L_{\text{training}} \uparrow",
    ),
    "confusion matrix": Term(
        "A table of true class against predicted class; the diagonal is right, the rest are mistakes.",
        r"C_{ij} = \#\{\text{true } i, \text{ said } j\}",
    ),
    "precision": Term("Of the images called a class, the share that really are.", r"\frac{TP}{TP + FP}"),
    "recall": Term("Of the images that really are a class, the share that were found.", r"\frac{TP}{TP + FN}"),
    "F1": Term("The harmonic mean of precision and recall.", r"\frac{2\,P\,R}{P + R}"),
    "Wilson interval": Term(
        "The range in which the true accuracy lies, in 95 of 100 cases, given how many images were tested.",
        r"\frac{\hat p + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}, \quad z = 1.96",
    ),
}


def explain(name: str) -> str:
    """A term's sentence and formula as Markdown, for the `help=` of a widget."""
    item = GLOSSARY[name]
    return f"**{name}**: {item.meaning}" + (f"\n\n$${item.formula}$$" if item.formula else "")


def term(name: str, label: str | None = None, *, key: str | None = None) -> None:
    """A small button with the word on it; it opens the sentence and the formula."""
    item = GLOSSARY[name]
    shown = label or name
    with st.popover(shown, type="tertiary", icon=":material/help:", key=key or f"term.{_slug(name)}.{_slug(shown)}"):
        st.markdown(f"**{name}**: {item.meaning}")
        if item.formula:
            st.latex(item.formula)


def terms(*names: str, key: str = "terms", lead: str = "Words used here:") -> None:
    """Several terms in a row that wraps."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"terms.{key}"):
        if lead:
            st.caption(lead, width="content")
        for name in names:
            term(name, key=f"term.{key}.{_slug(name)}")


def word(name: str, shown: str | None = None) -> str:
    """The word as HTML for a sentence: dotted, with its explanation on hover, focus and in a screen reader.

    For `st.markdown(…, unsafe_allow_html=True)`; the text comes from the glossary alone.
    """
    meaning = html.escape(GLOSSARY[name].meaning.replace("`", ""), quote=True)
    return f'<abbr class="term" tabindex="0" title="{meaning}">{html.escape(shown or name)}</abbr>'


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", name.lower())
