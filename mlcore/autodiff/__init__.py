"""Gradients, one scalar at a time: the idea under every network of this project.

    evaluate(text, values)     "x*w + b" -> the result node with its graph         expressions.py
    parse(text)                the same in two steps, for many values              expressions.py
    Value                      a node: data, grad, operands, local derivatives     value.py
      .backward()              gradients of everything below                       value.py
      .backward_steps()        the same, told step by step                         value.py
    OPERATIONS                 the table: value, local derivatives, LaTeX          operations.py
    describe(result)           the graph as plain data, for drawing                view.py
    Explanation(result)        every step in LaTeX, thrice as the report writes it explain.py
    sweep, check_gradients     numerical derivatives beside the analytic ones      gradcheck.py
    descend                    steps downhill, and what it looks like to diverge   descend.py
    make_problem(seed, level)  practice by hand                                    exercises.py
    check(problem, blank, …)   right, or which mistake it was                      answers.py
    torch_script(text, values) the same as a stand-alone PyTorch script            scripts.py
    EXAMPLES                   the report's f and others                           examples.py

Everything here is plain Python on floats; it starts in milliseconds.
"""

from mlcore.autodiff.answers import MISTAKES, Verdict, check, hints, reason
from mlcore.autodiff.descend import Descent, Point, descend
from mlcore.autodiff.examples import EXAMPLES, Example, example_of
from mlcore.autodiff.exercises import LEVELS, Blank, Line, Problem, make_problem
from mlcore.autodiff.explain import Explanation, Formula, latex_name, latex_number
from mlcore.autodiff.expressions import Expression, evaluate, listed, parse
from mlcore.autodiff.gradcheck import GradientMismatch, Nudge, check_gradients, nudge, remark_on, sweep
from mlcore.autodiff.grammar import ExpressionError
from mlcore.autodiff.operations import FUNCTIONS, OPERATIONS, Operation, short
from mlcore.autodiff.scripts import torch_script
from mlcore.autodiff.value import BackwardStep, Contribution, ForwardStep, Value, apply
from mlcore.autodiff.view import EdgeView, GraphView, NodeView, describe, formula, label, number_text

__all__ = [
    "EXAMPLES",
    "FUNCTIONS",
    "LEVELS",
    "MISTAKES",
    "OPERATIONS",
    "BackwardStep",
    "Blank",
    "Contribution",
    "Descent",
    "EdgeView",
    "Example",
    "Explanation",
    "Expression",
    "ExpressionError",
    "Formula",
    "ForwardStep",
    "GradientMismatch",
    "GraphView",
    "Line",
    "NodeView",
    "Nudge",
    "Operation",
    "Point",
    "Problem",
    "Value",
    "Verdict",
    "apply",
    "check",
    "check_gradients",
    "descend",
    "describe",
    "evaluate",
    "example_of",
    "formula",
    "hints",
    "label",
    "latex_name",
    "latex_number",
    "listed",
    "make_problem",
    "nudge",
    "number_text",
    "parse",
    "reason",
    "remark_on",
    "short",
    "sweep",
    "torch_script",
]
