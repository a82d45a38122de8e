"""Keeping the app's process small: it serves many threads, each of which leaves a little behind.

`settle` is called once, when the app's modules are loaded. Nothing that is computed depends on it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

# glibc's names for the number of heaps that threads are spread over; the default is eight a core.
M_ARENA_MAX = -8
HEAPS = 2


def settle() -> None:
    """Let all threads share two heaps, and take what is loaded by now out of the garbage collector's rounds.

    A collection then looks at what visitors made, not at a hundred thousand objects of loaded modules: it takes
    milliseconds instead of a tenth of a second, and happens often enough to keep memory flat.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, HEAPS)
    gc.collect()
    gc.freeze()


def trim() -> None:
    """Give heap memory that is free back to the system, where the C library can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
