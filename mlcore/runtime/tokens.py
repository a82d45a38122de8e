"""Names nobody can guess: a token stands for a visitor, an id for a run.

A visitor has no account; whoever knows the token owns its runs. The database keeps only a hash of it, so that a copy
of the file opens nobody's runs.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from mlcore.runtime.problems import UnknownRun

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_RUN_ID = re.compile(r"[0-9a-f]{16}")


def new_token() -> str:
    """A fresh owner token: 128 random bits in 22 characters that need no escaping in a link."""
    return secrets.token_urlsafe(16)


def valid_token(text: object) -> bool:
    """Whether this could be a token that `new_token` made (not whether anybody has it)."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def new_run_id() -> str:
    """A fresh run id: 64 random bits in 16 hexadecimal digits."""
    return secrets.token_hex(8)


def valid_run_id(text: object) -> bool:
    """Whether this could be a run id that `new_run_id` made."""
    return isinstance(text, str) and _RUN_ID.fullmatch(text) is not None


def owner_key(token: str) -> str:
    """What the store keeps instead of the token: its SHA-256, in 64 hexadecimal digits.

    Raises:
        UnknownRun: this is no token.
    """
    if not valid_token(token):
        raise UnknownRun
    return hashlib.sha256(token.encode("ascii")).hexdigest()
