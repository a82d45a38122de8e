"""The digits: real MNIST images as one read-only array, and the seeded ways to cut it into parts.

`open_source("sample")` always works, `open_source("mnist")` wherever the four files are; `split_fraction` and
`split_network` say which rows are trained on.
"""

from mlcore.data.mnist import DataUnavailable, Digits, available_sources, data_directory, open_source
from mlcore.data.splits import NetworkSplit, Split, split_fraction, split_network

__all__ = [
    "DataUnavailable",
    "Digits",
    "NetworkSplit",
    "Split",
    "available_sources",
    "data_directory",
    "open_source",
    "split_fraction",
    "split_network",
]
