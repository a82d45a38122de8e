"""The sections of the page "Forward and backward", in the order in which it shows them.

`state` (what a link keeps), `setup` (expression and inputs), `walk` (graph, steps, formulas, predictions), then the four
views below the graph: `nudge`, `proof`, `descend`, `practice`; `scripts` writes the stand-alone programs.
"""
