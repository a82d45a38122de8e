"""The sections of the page "Forward and backward", in the order in which it shows them.

`state` (what a link keeps), `setup` (expression and inputs), `walk` (graph, steps, formulas), `predict`, then the four
views below the graph: `further` chooses among `nudge`, `proof`, `descend` and `practice`.
"""
