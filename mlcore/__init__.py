"""The library behind Backprop Lab: everything the lessons compute, and nothing they draw.

In reading order: `autodiff` (a gradient, one scalar at a time), `data` (MNIST), `scratch` (a network in NumPy alone),
`networks` (the same idea in PyTorch), `experiments` (what to train, and what came of it), `runtime` (training for
many people at once). A package may import from those before it, never from those after it. `records` stands before
them all: it holds the small values that pass between them.
"""
