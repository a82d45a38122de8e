"""The question that a page asks a worker about the inside of a network; nothing of PyTorch is imported before it runs.

`before_and_after` is `mlcore.networks.probes.before_and_after`, in a module that the app's own process may import.
"""

from __future__ import annotations

from typing import Any


def before_and_after(*given: Any) -> dict[str, dict[str, Any]]:
    """What hooks see in a network before and after training; arguments and result as in `mlcore.networks.probes`."""
    from mlcore.networks import probes

    return probes.before_and_after(*given)
