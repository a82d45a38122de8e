"""What can go wrong between a page and the runtime, each as one sentence a visitor can read."""

from __future__ import annotations


class LimitReached(ValueError):
    """A limit of this app stands in the way; the sentence names the limit and what it is."""


class UnknownRun(ValueError):
    """There is no such run among this visitor's."""

    def __init__(self) -> None:
        super().__init__("This run is not among yours: it may have been deleted, or the link may be incomplete.")


class StoreUnavailable(RuntimeError):
    """The run database cannot be read or written at the moment."""
