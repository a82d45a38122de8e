"""Section 4: two findings about the report as experiments: predict, run, reveal (L3.7).

The schedule that never stepped, and the training loss measured with dropout on; "forget model.eval()" is a switch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.metrics import percent_text
from mlcore.experiments.overfitting import dropout_illusion, loss_text
from mlcore.experiments.reports import R2_NOTES
from mlcore.records import EpochResult
from mlcore.runtime import RunView
from ui.charts import table_twin
from ui.code import show_code
from ui.lesson3 import scripts
from ui.lesson3.chart import runs_chart
from ui.lesson3.curves import Quantity, long_rows, long_table
from ui.lesson3.data import Series, recorded_series
from ui.lesson3.train import as_series, group_views, label_of, start_group
from ui.links import LinkState
from ui.runs import live_group, owner, runtime
from ui.seeding import follow, took
from ui.terms import terms

EPOCHS = 30
# On the sample, so that it takes a few seconds; the rest is the report's experiment 2.
_BASE = NetworkConfig(source="sample", architecture="A", dropout=0.3, initializer="xavier", epochs=EPOCHS, seed=0)
_STEPPED = {"learning_rate": 0.01, "step_size": 10, "gamma": 0.1}
SCHEDULE = (
    NetworkConfig(**{**_BASE.model_dump(), **_STEPPED}),
    NetworkConfig(**{**_BASE.model_dump(), **_STEPPED, "step_on_loss": True}),
)
SCHEDULE_LABELS = ("scheduler.step()", "scheduler.step(validation_loss)")
DROPOUT = (_BASE, NetworkConfig(**{**_BASE.model_dump(), "evaluate_with_dropout": True}))
DROPOUT_LABELS = ("with model.eval()", "model.eval() forgotten")

SCHEDULE_GUESSES = {
    "steps": "It falls to a tenth every 10 epochs",
    "never": "It never changes",
    "every": "It falls whenever the loss falls",
}
DROPOUT_GUESSES = {
    "above": "It is higher with dropout on",
    "equal": "It is the same",
    "below": "It is lower with dropout on",
}

CODE = """scheduler = StepLR(optimizer, 10, gamma=0.1)
for epoch in range(epochs):
    train(model, optimizer)
    loss = evaluate(model, validation)
    scheduler.step(loss)"""

Charts = Callable[[list[Series]], None]


def draw(state: LinkState) -> None:
    """The whole section."""
    st.markdown(
        "The report's experiment 2 is described in one way and was run in another, and one of its curves is not what "
        "it seems. "
        "Neither shows in its tables. Both show in a minute of training, here on the sample of 5,000 digits."
    )
    _schedule(state)
    st.divider()
    _dropout(state)


def _schedule(state: LinkState) -> None:
    st.header("A schedule that never stepped", anchor=False)
    st.markdown(
        "The report says: initial learning rate 0.01, multiplied by 0.1 every 10 epochs. Its code has these lines, "
        "and PyTorch prints a deprecation warning when they run."
    )
    st.code(CODE, language=None, wrap_lines=True)
    _experiment(
        state,
        question=f"What does the learning rate do in {EPOCHS} epochs of this code?",
        guesses=SCHEDULE_GUESSES,
        guess="schedule_guess",
        group="schedule_group",
        configs=SCHEDULE,
        labels=SCHEDULE_LABELS,
        charts=_rate_chart,
        reveal=_reveal_schedule,
    )
    show_code(
        "mlcore.networks.trainer:_Run._end_epoch",
        script=scripts.schedule(),
        key="schedule",
        file_name="schedule.py",
        requires="torch",
        note="PyTorch keeps the argument of `step` for old code: it is the number of the epoch, whatever you put in.",
    )


def _dropout(state: LinkState) -> None:
    st.header("A training loss with dropout on", anchor=False)
    st.markdown(
        "While a network with dropout trains, three in ten hidden activations are set to zero. The training loss "
        "that falls out of "
        "the training loop is measured in that state. The validation loss is measured after `model.eval()`, with "
        "every unit at "
        "work. The report draws both into one figure."
    )
    _experiment(
        state,
        question="The same weights, the same training images: what about the loss with dropout on?",
        guesses=DROPOUT_GUESSES,
        guess="dropout_guess",
        group="dropout_group",
        configs=DROPOUT,
        labels=DROPOUT_LABELS,
        charts=lambda mine: _loss_chart(state, mine),
        reveal=_reveal_dropout,
        before_charts=lambda: _switch(state),
    )
    show_code(
        dropout_illusion,
        script=scripts.training(DROPOUT[state["judged"] == "train"]),
        key="dropout",
        file_name="dropout.py",
        requires="torch mlxtend",
        note="The rule that speaks of two kinds of loss, and the training as a plain PyTorch loop.",
    )
    terms("dropout", "evaluation mode", "StepLR", "learning rate", key="findings")


def _experiment(
    state: LinkState,
    *,
    question: str,
    guesses: Mapping[str, str],
    guess: str,
    group: str,
    configs: Sequence[NetworkConfig],
    labels: Sequence[str],
    charts: Charts,
    reveal: Callable[[list[Series], str], list[str]],
    before_charts: Callable[[], None] | None = None,
) -> None:
    """Predict, run, reveal. The guess may be left open; once the runs are there it stays as it was."""
    views = group_views(state[group])
    made = _question(state, question, guesses, guess, group, views)
    with st.container(horizontal=True):
        label = "Run it" if not views else "Run it again"
        kind: Any = "secondary" if views else "primary"
        pressed = st.button(label, key=f"{group}.run", type=kind, icon=":material/play_arrow:")
        said = "" if views else state[guess]
        if pressed and start_group(state, group, configs, {"guess": said}):
            state.set(**{guess: said})
            st.rerun()
    if not views:
        st.caption(
            f"Two trainings of network A side by side, {EPOCHS} epochs each; a guess first makes the outcome stick."
        )
        return
    if before_charts is not None:
        before_charts()
    names = _names(views, configs, labels)

    def draw_charts(found: list[tuple[RunView, list[EpochResult]]]) -> None:
        mine = _named(found, names)
        if mine:
            charts(mine)

    live_group(views, draw_charts, key=group, labels=names)
    if not any(view.live for view in views):
        mine = _named([(view, runtime().epochs(owner(), view.id)) for view in views], names)
        if len(mine) == len(labels):
            with st.container(border=True):
                st.markdown(
                    "**What came out**\n\n" + "\n".join(f"- {line}" for line in reveal(mine, guesses.get(made, "")))
                )


def _question(
    state: LinkState, question: str, guesses: Mapping[str, str], guess: str, group: str, views: Sequence[RunView]
) -> str:
    """The question, to be answered before the runs are there; and what was answered, from then on."""
    if views:
        given = views[0].prediction
        made = str(given.get("guess", "")) if isinstance(given, dict) else ""
        told = f"You expected: **{guesses[made]}**." if made in guesses else "You made no guess."
        st.markdown(f"{question} {told}")
        return made
    key = f"findings.{guess}"
    follow(key, state[guess] if state[guess] in guesses else None)
    picked = st.radio(question, list(guesses), index=None, format_func=guesses.__getitem__, key=key)
    took(key, picked)
    if (picked or "") != state[guess]:
        state.set(**{guess: picked or ""})
    return ""


def _names(views: Sequence[RunView], configs: Sequence[NetworkConfig], labels: Sequence[str]) -> dict[str, str]:
    """What each run is called, by its config: one of the pair may have been deleted."""
    known = list(zip(configs, labels, strict=True))
    return {
        view.id: next((label for config, label in known if config == view.config), label_of(view)) for view in views
    }


def _named(found: Sequence[tuple[RunView, list[EpochResult]]], names: Mapping[str, str]) -> list[Series]:
    """Runs as series, called by what this experiment calls them."""
    return [
        Series(series.id, names.get(series.id, series.label), series.config, series.table, mine=True)
        for series in as_series(found)
    ]


def _rate_chart(mine: list[Series]) -> None:
    """The learning rate of both runs, and below it what that does to the validation loss."""
    runs = [series.label for series in mine]
    left, right = st.columns(2, gap="medium")
    for place, quantity, title, y_title, key, form in (
        (left, Quantity("learning rate", "learning_rate"), "Learning rate", "Adam's step size", "rate", ".1e"),
        (right, Quantity("validation loss", "validation_loss"), "Validation loss", "nats", "loss", ".4f"),
    ):
        with place:
            runs_chart(
                long_rows(mine, [quantity], False),
                runs=runs,
                all_runs=SCHEDULE_LABELS,
                quantities=[quantity.name],
                title=title,
                x_title="epoch",
                y_title=y_title,
                y_format=form,
                log_y=True,
                height=260,
                key=f"schedule_{key}",
                alt=f"{title} of both runs against epochs",
            )
    quantities = [Quantity("learning rate", "learning_rate"), Quantity("validation loss", "validation_loss")]
    table_twin(long_table(mine, quantities), key="schedule_table", file_name="schedule.csv")


def _reveal_schedule(mine: list[Series], guess: str) -> list[str]:
    """The outcome in words, from the rates that were really used."""
    told = []
    for series in mine:
        used = list(dict.fromkeys(series.table["learning_rate"]))
        rates = ", ".join(f"{rate:g}" for rate in used)
        last = series.table.iloc[-1]
        many = f"{len(used)} rates: {rates}" if len(used) > 1 else f"one rate throughout, {rates}"
        told.append(
            f"`{series.label}` used {many}, and ended with a validation loss of {loss_text(last['validation_loss'])} "
            "and "
            f"{percent_text(last['validation_accuracy'])}."
        )
    losses = mine[-1].table["validation_loss"]
    outcome = "never" if mine[-1].table["learning_rate"].nunique() == 1 else "steps"
    return [
        *_agreed(guess, SCHEDULE_GUESSES[outcome]),
        *told,
        f"The losses handed to `step` lay between {losses.min():.2f} and {losses.max():.2f}. PyTorch took each for "
        f"the number of the epoch, and floor({losses.max():.2f} / 10) = {int(losses.max() // 10)} cuts. Its warning "
        "says as much: “The epoch parameter in `scheduler.step()` was not necessary and is being deprecated”.",
        f"{R2_NOTES['schedule']} So the code began at another rate than the text, too; here both runs begin at 0.01, "
        "and only the argument of `step` differs.",
        *_which_is_better(mine),
    ]


def _which_is_better(mine: Sequence[Series]) -> list[str]:
    """That a schedule which works is better here says little of the report's: the recorded runs beside these."""
    described, as_run = (recorded_series().get(name) for name in ("A-dropout-step", "A-dropout-as-run"))
    if described is None or as_run is None:
        return []
    stepped, constant = (float(series.table["validation_loss"].iloc[-1]) for series in mine)
    far, near = (percent_text(series.table["validation_accuracy"].iloc[-1]) for series in (described, as_run))
    return [
        f"Which is better? Here, on 4,000 digits in {EPOCHS} epochs, the schedule that steps ends with the "
        f"{'lower' if stepped < constant else 'higher'} validation loss. On all of MNIST the recorded networks A end "
        f"at {far} as the text describes it and at {near} as the code ran: section 2 says why."
    ]


def _agreed(guess: str, outcome: str) -> list[str]:
    """The guess beside the outcome, whether they agree or not; nothing where there was no guess."""
    if not guess:
        return []
    if guess == outcome:
        return [f"You expected it: {outcome[0].lower()}{outcome[1:]}."]
    return [f"You expected: {guess[0].lower()}{guess[1:]}. What happened: {outcome[0].lower()}{outcome[1:]}."]


def _switch(state: LinkState) -> None:
    st.segmented_control(
        "How the network is judged",
        ["eval", "train"],
        format_func=lambda name: DROPOUT_LABELS[name == "train"],
        key=state.key("judged"),
        required=True,
        help="Both runs have the same weights after every epoch. Only what is done before judging them differs.",
    )


def _loss_chart(state: LinkState, mine: list[Series]) -> None:
    """Three losses of the run that the switch names."""
    wanted = DROPOUT_LABELS[state["judged"] == "train"]
    shown = [series for series in mine if series.label == wanted]
    if not shown:
        return
    quantities = [
        Quantity("training, measured with dropout on", "train_loss"),
        Quantity("training images, judged", "train_loss_eval"),
        Quantity("validation images, judged", "validation_loss"),
    ]
    runs_chart(
        long_rows(shown, quantities, False),
        runs=[wanted],
        quantities=[quantity.name for quantity in quantities],
        title=f"Losses, {wanted}",
        x_title="epoch",
        y_title="mean cross-entropy (nats)",
        log_y=True,
        height=300,
        key="dropout_losses",
        alt="Training loss with dropout on, training loss judged and validation loss judged, against epochs",
    )
    table_twin(long_table(mine, quantities), key="dropout_table", file_name="dropout.csv")


def _reveal_dropout(mine: list[Series], guess: str) -> list[str]:
    """The outcome in words: the two losses of one set of weights, and what forgetting model.eval() costs."""
    # One of the two may have been paused or stopped: both are read at the last epoch that both have.
    shared = min(len(series.table) for series in mine)
    first, second = (series.table.head(shared) for series in mine)
    evaluated, forgotten = first.iloc[-1], second.iloc[-1]
    # Without model.eval() the loss on the training images is that of the same weights with dropout on.
    on, off = float(forgotten["train_loss_eval"]), float(evaluated["train_loss_eval"])
    outcome = "above" if on > off * 1.02 else "below" if on < off / 1.02 else "equal"
    same = bool((first["train_loss"].to_numpy() == second["train_loss"].to_numpy()).all())
    twin = ["The two runs trained alike to the last digit; only the judging differs."] if same else []
    return [
        *_agreed(guess, DROPOUT_GUESSES[outcome]),
        f"After epoch {evaluated['epoch']:.0f} the same weights have a loss of {loss_text(on)} on training images with "
        f"dropout on and {loss_text(off)} with it off: {on / off:.1f} times as much.",
        *twin,
        "On the validation images forgetting `model.eval()` turns a loss of "
        f"{loss_text(evaluated['validation_loss'])} into "
        f"{loss_text(forgotten['validation_loss'])}, and {percent_text(evaluated['validation_accuracy'])} right into "
        f"{percent_text(forgotten['validation_accuracy'])}.",
        f"{R2_NOTES['dropout']} The loss in evaluation mode is what compares with the validation loss.",
    ]
