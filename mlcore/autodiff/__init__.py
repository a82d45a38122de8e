"""Gradients, one scalar at a time: the idea under every network of this project.

    evaluate(text, values)     "x*w + b" -> the result node with its graph         expressions.py
    parse(text)                the same in two steps, for many values              expressions.py
    Value                      a node: data, grad, operands, local derivatives     value.py
      .backward()              gradients of everything below                       value.py
      .backward_steps()        the same, told step by step                         value.py
    OPERATIONS                 the table: value, local derivatives, LaTeX          operations.py
    EXAMPLES                   the report's f and others                           examples.py

Everything here is plain Python on floats; it starts in milliseconds.
"""

from mlcore.autodiff.examples import EXAMPLES, Example, example_of
from mlcore.autodiff.expressions import Expression, ExpressionError, evaluate, parse
from mlcore.autodiff.operations import FUNCTIONS, OPERATIONS, Operation, short
from mlcore.autodiff.value import BackwardStep, Contribution, ForwardStep, Value, apply

__all__ = [
    "EXAMPLES",
    "FUNCTIONS",
    "OPERATIONS",
    "BackwardStep",
    "Contribution",
    "Example",
    "Expression",
    "ExpressionError",
    "ForwardStep",
    "Operation",
    "Value",
    "apply",
    "evaluate",
    "example_of",
    "parse",
    "short",
]
