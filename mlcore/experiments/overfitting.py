"""Overfitting in words: rules that read a run's curves and say what happened, quoting the numbers they saw.

A rule looks at one finished or unfinished run (`RULES`) or at two of the same network (`COMPARISONS`) and returns a
sentence, or `None` when its case is not there. `describe` and `compare` ask every rule in turn; nothing is ever said
that the curves do not show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcore.experiments.comparison import compare_shares
from mlcore.experiments.metrics import percent_text

Array = npt.NDArray[np.float64]

# What counts as a change. A validation loss on 10,000 images wobbles by a few per cent from epoch to epoch.
RISE = 1.10
"""The validation loss has turned when it ends this many times above its lowest."""
FALL = 0.98
"""The validation loss is still falling when the last epochs lie below this share of the ones before them."""
GAP = 0.02
"""A gap that grew by less than this many nats is called unchanged."""
WIDER = 1.25
"""And one that grew by a smaller factor, too."""
STOPPED = 1e-3
"""A learning rate below this share of the first one no longer moves the weights to speak of."""
GUESSING = float(np.log(10))
"""The loss of a network that gives all ten digits the same probability, in nats."""
LEARNED = 0.999
"""Share of training images right from which we say that they are learned by heart."""


@dataclass(frozen=True)
class Finding:
    """One sentence or two about a run, and the name of the rule that said it."""

    rule: str
    text: str


@dataclass(frozen=True, eq=False)
class Curves:
    """What the rules look at: one value per epoch, each array of shape (n_epochs,).

    Attributes:
        name: how the sentences call the run, e.g. "dropout 0.3".
        epoch: epoch numbers, rising.
        train_loss: as measured while training, dropout on.
        train_loss_eval, validation_loss: mean cross-entropy in nats, dropout off.
        train_accuracy_eval, validation_accuracy: fractions in [0, 1].
        learning_rate: of each epoch.
        seconds: training time of each epoch.
        dropout: probability in [0, 0.9].
        validation_images: how many images the validation figures are averaged over.
    """

    name: str
    epoch: Array
    train_loss: Array
    train_loss_eval: Array
    validation_loss: Array
    train_accuracy_eval: Array
    validation_accuracy: Array
    learning_rate: Array
    seconds: Array
    dropout: float = 0.0
    validation_images: int = 10_000

    @classmethod
    def from_table(
        cls, name: str, table: Mapping[str, Any], *, dropout: float = 0.0, validation_images: int = 10_000
    ) -> Curves:
        """Read the columns of a table (a data frame, or a mapping of name to values) of `NetworkEpoch.figures()`.

        Raises:
            KeyError: a column is missing.
        """
        columns = {
            column: np.asarray(table[column], dtype=np.float64)
            for column in cls.__dataclass_fields__
            if column not in ("name", "dropout", "validation_images")
        }
        return cls(name=name, dropout=dropout, validation_images=validation_images, **columns)

    def __len__(self) -> int:
        return len(self.epoch)

    def first(self, epochs: int) -> Curves:
        """This run as it stood after so many recorded epochs."""
        arrays = {name: value[:epochs] for name, value in self.__dict__.items() if isinstance(value, np.ndarray)}
        return Curves(**{**self.__dict__, **arrays})

    @property
    def lowest(self) -> int:
        """Position of the lowest validation loss."""
        return int(np.nanargmin(self.validation_loss))

    @property
    def gap(self) -> Array:
        """Validation loss minus training loss, both in evaluation mode; (n_epochs,)."""
        return self.validation_loss - self.train_loss_eval

    @property
    def end(self) -> int:
        """How many last epochs "at the end" stands for: a tenth of the run, one at least, five at most."""
        return max(1, min(5, len(self) // 10))

    def at_end(self, values: Array) -> float:
        """Mean over the last epochs (`end` of them), so that one wobble decides nothing."""
        return float(np.mean(values[-self.end :]))

    @property
    def turned(self) -> bool:
        """Whether the validation loss ended well above its lowest, and not only in the last epoch or two."""
        behind = len(self) - 1 - self.lowest
        rose = self.at_end(self.validation_loss) > RISE * self.validation_loss[self.lowest]
        return bool(rose and behind >= max(2, len(self) // 20))

    @property
    def still_falling(self) -> bool:
        """Whether the lowest validation loss is at the end and clearly below what it was a fifth of the run earlier."""
        if self.turned or len(self) - 1 - self.lowest > max(1, len(self) // 20):
            return False
        earlier = self.validation_loss[max(0, int(0.8 * len(self)) - 1)]
        return bool(self.validation_loss[self.lowest] < FALL * earlier)


def loss_text(value: float) -> str:
    """A loss with three digits: 0.0812, 1.24, and 2.1e-06 rather than 0.000."""
    return f"{value:.3g}"


def times_text(ratio: float) -> str:
    """A ratio in words: 8.1 times."""
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.1f} times"


def came_apart(run: Curves) -> str | None:
    """The losses left the numbers, or training made things worse than they were after the first epoch."""
    broken = ~np.isfinite(run.validation_loss)
    if broken.any():
        epoch = run.epoch[int(np.argmax(broken))]
        return (
            f"Training came apart: at epoch {epoch:.0f} the validation loss is no longer a number. "
            f"The learning rate, {run.learning_rate[0]:g} at the start, is too large for this network."
        )
    if run.at_end(run.train_loss_eval) > 1.5 * run.train_loss_eval[0] and len(run) > 2:
        return (
            f"Training went backwards: the training loss (evaluation mode) was {loss_text(run.train_loss_eval[0])} "
            f"after epoch {run.epoch[0]:.0f} and is {loss_text(run.at_end(run.train_loss_eval))} at the end. "
            f"That is not overfitting; a learning rate of {run.learning_rate[0]:g} is too large."
        )
    end = run.at_end(run.train_loss_eval)
    # From large first weights the loss may start far above; then it falls.
    if end > max(GUESSING, FALL * run.train_loss_eval[max(0, int(0.8 * len(run)) - 1)]):
        return (
            f"Training came apart: at the end the training loss (evaluation mode) is {loss_text(end)}, above the "
            f"{loss_text(GUESSING)} of a network that calls all ten digits equally likely, and it is not falling. "
            f"A learning rate of {run.learning_rate[0]:g} is too large."
        )
    return None


def turned(run: Curves) -> str | None:
    """Validation loss passed its lowest and rose."""
    if not run.turned:
        return None
    low, end = run.lowest, run.at_end(run.validation_loss)
    train_low, train_end = run.train_loss_eval[low], run.at_end(run.train_loss_eval)
    first = (
        f"Validation loss turned at epoch {run.epoch[low]:.0f}. There it was lowest, "
        f"{loss_text(run.validation_loss[low])}; at the end it is {loss_text(end)}, "
        f"{times_text(end / run.validation_loss[low])} as high. "
    )
    if train_end < train_low:
        return first + (
            f"Over the same epochs the training loss (evaluation mode) fell from {loss_text(train_low)} to "
            f"{loss_text(train_end)}: better on the images it trains on, worse on the others. That is overfitting."
        )
    return first + (
        f"The training loss (evaluation mode) rose as well, from {loss_text(train_low)} to {loss_text(train_end)}, "
        "so this is not overfitting alone: the steps are too large to stay at the bottom."
    )


def still_falling(run: Curves) -> str | None:
    """Validation loss is at its lowest at the end and was clearly higher before."""
    if not run.still_falling:
        return None
    earlier = max(0, int(0.8 * len(run)) - 1)
    return (
        f"No overfitting yet: validation loss was still falling when the run ended, from "
        f"{loss_text(run.validation_loss[earlier])} at epoch {run.epoch[earlier]:.0f} to "
        f"{loss_text(run.validation_loss[run.lowest])} at epoch {run.epoch[run.lowest]:.0f}. More epochs may help."
    )


def just_rose(run: Curves) -> str | None:
    """Validation loss ended well above its lowest, but that was only an epoch or two ago."""
    low, end = run.lowest, run.at_end(run.validation_loss)
    if run.turned or end <= RISE * run.validation_loss[low]:
        return None
    return (
        f"Validation loss has just risen, from {loss_text(run.validation_loss[low])} at epoch {run.epoch[low]:.0f} to "
        f"{loss_text(end)} at the end. That is too short to tell a turn from a wobble: train a few epochs more."
    )


def levelled_off(run: Curves) -> str | None:
    """Validation loss neither turned nor still falls, and ends near its lowest."""
    if run.turned or run.still_falling or just_rose(run) is not None:
        return None
    low, end = run.lowest, run.at_end(run.validation_loss)
    return (
        f"Validation loss levelled off: lowest at epoch {run.epoch[low]:.0f} with "
        f"{loss_text(run.validation_loss[low])}, and {loss_text(end)} at the end, "
        f"{100 * (end / run.validation_loss[low] - 1):.1f} % above. "
        "It did not turn, so no overfitting shows in the loss."
    )


def gap_grew(run: Curves) -> str | None:
    """The gap at the end is clearly wider than at the lowest validation loss."""
    then, now = float(run.gap[run.lowest]), run.at_end(run.gap)
    if now - then < GAP or now < WIDER * max(then, 0.0):
        return None
    return (
        f"The gap between validation loss and training loss, both in evaluation mode, grew from {loss_text(then)} at "
        f"epoch {run.epoch[run.lowest]:.0f} to {loss_text(now)} at the end."
    )


def gap_held(run: Curves) -> str | None:
    """The gap did not grow to speak of."""
    if gap_grew(run) is not None:
        return None
    then, now = float(run.gap[run.lowest]), run.at_end(run.gap)
    return (
        f"The gap between validation loss and training loss, both in evaluation mode, is {loss_text(now)} at the end "
        f"and was {loss_text(then)} at epoch {run.epoch[run.lowest]:.0f}, where validation loss was lowest: it has "
        "hardly changed."
    )


def surer_when_wrong(run: Curves) -> str | None:
    """Validation loss rose although no more images are wrong."""
    low = run.lowest
    then, now = float(run.validation_accuracy[low]), run.at_end(run.validation_accuracy)
    if not run.turned or now < then or now >= 1 or then >= 1:
        return None
    each_then, each_now = run.validation_loss[low] / (1 - then), run.at_end(run.validation_loss) / (1 - now)
    return (
        f"Yet it is not wrong more often: validation accuracy was {percent_text(then)} at epoch {run.epoch[low]:.0f} "
        f"and is {percent_text(now)} at the end. It is surer of its mistakes: shared out over the images it gets "
        f"wrong, the loss went from {each_then:.1f} to {each_now:.1f} nats each. A probability of "
        f"{np.exp(-each_now):.1g} for the true digit costs {each_now:.1f} nats."
    )


def accuracy_fell(run: Curves) -> str | None:
    """Validation accuracy ended below its best by more than chance would explain."""
    # The best of 500 single epochs is best partly by luck; the best mean of a few is so much less.
    width = run.end
    means = np.convolve(run.validation_accuracy, np.full(width, 1 / width), mode="valid")
    best = int(np.argmax(means))
    then, now = float(means[best]), run.at_end(run.validation_accuracy)
    if compare_shares(then, run.validation_images, now, run.validation_images).high >= 0:
        return None
    return (
        f"Accuracy is past its best: {percent_text(then)} of the validation images were right around epoch "
        f"{run.epoch[best + width // 2]:.0f}, {percent_text(now)} at the end (means of {width} epochs). The "
        f"difference is larger than chance would explain with {run.validation_images:,} images."
    )


def learned_by_heart(run: Curves) -> str | None:
    """Nearly all training images are right: what is left to learn is confidence."""
    done = run.train_accuracy_eval >= LEARNED
    if not done.any():
        return None
    first = int(np.argmax(done))
    return (
        f"Learned by heart: at epoch {run.epoch[first]:.0f} the network had "
        f"{percent_text(float(run.train_accuracy_eval[first]))} of the training images right, for the first time "
        f"{percent_text(LEARNED)} or more. What is left to gain on them is confidence, not right answers."
    )


def rate_stopped(run: Curves) -> str | None:
    """The schedule took the learning rate to nearly nothing, and the validation loss stands still since."""
    small = run.learning_rate <= STOPPED * run.learning_rate[0] * (1 + 1e-9)
    if not small.any() or not small[-1]:
        return None
    since = int(np.argmax(small))
    start, end = float(run.validation_loss[since]), float(run.validation_loss[-1])
    if abs(end - start) > 0.05 * start:
        return None
    return (
        f"The schedule ended the training: from epoch {run.epoch[since]:.0f} on the rate is "
        f"{run.learning_rate[since]:.0e} or less ({run.learning_rate[0]:g} at the start), and validation loss has only "
        f"moved from {loss_text(start)} to {loss_text(end)} since. What comes after is a still picture, not a network "
        "that resists overfitting."
    )


def dropout_illusion(run: Curves) -> str | None:
    """Measured with dropout on, the training loss lies above the validation loss; in evaluation mode it does not."""
    measured, honest = run.at_end(run.train_loss), run.at_end(run.train_loss_eval)
    validation = run.at_end(run.validation_loss)
    if run.dropout == 0 or measured <= validation or honest >= validation:
        return None
    return (
        f"Measured with dropout on, the training loss is {loss_text(measured)} at the end, above the validation loss "
        f"of {loss_text(validation)}, as if the network did better on images it has never seen. With dropout off the "
        f"same weights have {loss_text(honest)} on training images. Only this figure compares with the validation loss."
    )


def underfits(run: Curves) -> str | None:
    """Not even the training images are learned, and the validation images do about as badly."""
    train, validation = run.at_end(run.train_accuracy_eval), run.at_end(run.validation_accuracy)
    if train >= 0.95 or train - validation > 0.02:
        return None
    advice = "train longer, or with a better rate"
    if rate_stopped(run) is not None:
        advice = "begin with a better rate, or cut it later: at the one that is left, longer training changes nothing"
    return (
        f"This is underfitting: only {percent_text(train)} of the training images are right, and "
        f"{percent_text(validation)} of the validation images. There is nothing to regularise yet; {advice}."
    )


RULES: dict[str, Callable[[Curves], str | None]] = {
    "turned": turned,
    "still_falling": still_falling,
    "just_rose": just_rose,
    "levelled_off": levelled_off,
    "gap_grew": gap_grew,
    "gap_held": gap_held,
    "surer_when_wrong": surer_when_wrong,
    "accuracy_fell": accuracy_fell,
    "learned_by_heart": learned_by_heart,
    "rate_stopped": rate_stopped,
    "dropout_illusion": dropout_illusion,
    "underfits": underfits,
}


def describe(run: Curves) -> list[Finding]:
    """What one run's curves show, in the order of `RULES`; fewer than three epochs show nothing yet."""
    if len(run) < 3:
        return [
            Finding("too_short", f"{len(run)} epochs are too few to say anything about overfitting; three are needed.")
        ]
    if apart := came_apart(run):
        return [Finding("came_apart", apart)]
    found = [Finding(name, text) for name, rule in RULES.items() if (text := rule(run)) is not None]
    return found + how_it_is_read(run)


def how_it_is_read(run: Curves) -> list[Finding]:
    """What "at the end" stands for, where it is not the last epoch alone."""
    if run.end == 1:
        return []
    first, last = run.epoch[-run.end], run.epoch[-1]
    return [
        Finding(
            "reading",
            f"“At the end” is the mean of epochs {first:.0f} to {last:.0f}, so that one wobble decides nothing.",
        )
    ]
