"""What the live panel says of a run, in words: how it stands, how far it is, who shares the machine.

Each function turns a `RunView` into a line of text; `ui.runs` draws the panel around them.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlcore.runtime import RunView

# So many runs under way are called busy: each moves every ten seconds or so.
BUSY = 20

_STATUS = {
    "waiting": (":material/hourglass_top:", "Waiting for its first turn"),
    "running": (":material/model_training:", "Training"),
    "paused": (":material/pause_circle:", "Paused"),
    "stopped": (":material/stop_circle:", "Stopped"),
    "finished": (":material/check_circle:", "Finished"),
    "failed": (":material/error:", "Could not go on"),
    "interrupted": (":material/restore:", "Interrupted when the app last ended"),
}


def headline(view: RunView, label: str = "") -> str:
    """How the run stands, as Markdown: its name (or `label`), its status, and why it stands still if it does."""
    # The trainer gave up: the run is over, but nothing was brought to an end.
    icon, word = (":material/report:", "Stopped") if view.halted else _STATUS[view.status]
    if view.step and view.status in ("waiting", "running"):
        word = "Training to the end of this epoch"
    name = f"{plain(view.name or label)}: " if view.name or label else ""
    return f"{icon} **{name}{word}**{_why(view)}"


def _why(view: RunView) -> str:
    """The rest of the headline: why it stands still, in plain words."""
    if view.halted:
        return f". {plain(view.halted)}"
    if view.error:
        return f". {plain(view.error)}"
    if view.reason == "idle":
        return " because nobody was looking; it goes on now."
    if view.status == "interrupted":
        return ". Nothing is lost: it can go on from where it was."
    return ""


def overall(view: RunView) -> str:
    """How far the whole run is, and how long the rest takes as things are."""
    epochs = view.config.epochs
    text = f"{view.epoch} of {epochs} epoch{'s' if epochs != 1 else ''}"
    if view.time_left is not None:
        text += f", {duration(view.time_left)} left"
    return text


def within_epoch(view: RunView) -> str:
    """How far the epoch under way is; of a run that is over, how long it trained."""
    if view.over:
        return f"Trained for {duration(view.seconds)}"
    if not view.batches:
        return "The first batches are under way" if view.live else "Not begun yet"
    return f"Epoch {view.epoch + 1}: {view.batch:,} of {view.batches:,} batches"


EMPTY = "&nbsp;"
"""A line with nothing on it; a plain blank would be trimmed, and the line with it."""


def pace(view: RunView, workers: int) -> str:
    """Always two lines, so that what stands below does not move when the first one is known or the second ends."""
    own = "Its pace shows once it trains." if view.live else EMPTY
    if view.samples_per_second:
        own = f"{_round(view.samples_per_second):,} images per second while it trains."
    return f"{own}  \n{sharing([view], workers)}"


def sharing(views: Sequence[RunView], workers: int) -> str:
    """How many share the machine, with so many workers, and what that does to the time left of the first view."""
    under_way = [view for view in views if view.status in ("waiting", "running")]
    if not under_way:
        return EMPTY
    count = max(view.sharing for view in under_way)
    if count == 1:
        return "It has the machine to itself."
    if count <= workers:
        return f"{count} runs train on this machine at the same time, each with a worker of its own."
    text = f"{count} runs take turns on this machine."
    if count > BUSY:
        text = f"The app is busy: {text}"
    first = under_way[0]
    if first.time_left is not None and first.seconds_left is not None and first.time_left > 1.3 * first.seconds_left:
        text += f" Alone, this one would need {duration(first.seconds_left)} more."
    return text


def duration(seconds: float) -> str:
    """A length of time as people say it: `about 40 s`, `about 3 min`, `about 1 h 20 min`, `about 3 days`."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min"
    if minutes < 48 * 60:
        return f"about {minutes // 60} h {minutes % 60} min"
    return f"about {round(minutes / 60 / 24)} days"


def _round(value: float) -> int:
    """To two digits: more would flicker and mean nothing."""
    return int(float(f"{value:.2g}"))


def plain(text: str) -> str:
    """Text of a visitor's or a library's, with nothing in it that Markdown would take for its own."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]<>()#+-.!|~$:" else sign for sign in text)
