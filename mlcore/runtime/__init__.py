"""Training for many people at once: a run is queued, advances in slices in worker processes, and is kept.

A page talks to one `Runtime`: it submits a config, steers the run, and reads how far it is. `slices` is what a worker
does, `executors` the workers, `turns` whose turn it is, `dispatcher` the one thread that hands slices out, `store` the
database, `settings` the limits. Nothing here trains in the calling process, and importing it imports no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcore.runtime.problems import LimitReached, StoreUnavailable, UnknownRun
    from mlcore.runtime.runtime import Runtime
    from mlcore.runtime.settings import Settings, read_settings
    from mlcore.runtime.tokens import new_token, valid_run_id, valid_token
    from mlcore.runtime.views import ACTIVE, STATUSES, RunView

# A worker imports this package for `slices` alone: what the app's process needs is imported when it is asked for.
_HOMES = {
    "LimitReached": "problems",
    "StoreUnavailable": "problems",
    "UnknownRun": "problems",
    "Runtime": "runtime",
    "Settings": "settings",
    "read_settings": "settings",
    "new_token": "tokens",
    "valid_run_id": "tokens",
    "valid_token": "tokens",
    "ACTIVE": "views",
    "STATUSES": "views",
    "RunView": "views",
}

__all__ = [
    "ACTIVE",
    "STATUSES",
    "LimitReached",
    "RunView",
    "Runtime",
    "Settings",
    "StoreUnavailable",
    "UnknownRun",
    "new_token",
    "read_settings",
    "valid_run_id",
    "valid_token",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
