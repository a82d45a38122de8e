"""What the rules found, as a list on the page: a short name, and the sentences with their numbers."""

from __future__ import annotations

import html
from collections.abc import Sequence

from mlcore.experiments.overfitting import Finding

LABELS = {
    "turned": "Where it turned",
    "still_falling": "Still falling",
    "levelled_off": "Levelled off",
    "just_rose": "Just risen",
    "gap_grew": "The gap",
    "gap_held": "The gap",
    "surer_when_wrong": "Surer when wrong",
    "accuracy_fell": "Accuracy",
    "learned_by_heart": "By heart",
    "rate_stopped": "The schedule",
    "dropout_illusion": "Two kinds of loss",
    "underfits": "Underfitting",
    "came_apart": "Came apart",
    "too_short": "Too short",
    "reading": "How it is read",
    "gap_changed": "The gap",
    "turning_moved": "The turn",
    "lowest_changed": "At its best",
    "accuracy_changed": "Accuracy",
    "learns_slower": "What it costs",
    "fit_worsened": "Fit",
    "frozen": "The schedule",
}


def findings_html(found: Sequence[Finding]) -> str:
    """Findings as a definition list, for `st.html`."""
    rows = "".join(
        f"<dt>{html.escape(LABELS.get(item.rule, item.rule))}</dt><dd>{html.escape(item.text)}</dd>" for item in found
    )
    return f'<dl class="findings">{rows}</dl>'
