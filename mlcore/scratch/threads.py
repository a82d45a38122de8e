"""One thread for NumPy's matrix products: they are so small here that sharing one out costs more than it saves.

Parallelism comes from training several runs, each in a process of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread inside a `with` block."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    # It must see both NumPy's BLAS and SciPy's, and looking for them takes milliseconds: once, when both are loaded.
    import scipy.linalg.blas  # noqa: F401

    return ThreadpoolController()
