"""Every rule about overfitting, on a curve that triggers it and on one that must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlcore.experiments import disagreement as versus
from mlcore.experiments.inference import answer_of_biases, predict_probabilities
from mlcore.experiments.overfitting import RULES, Curves, came_apart, describe
from mlcore.experiments.selection import explain, select
from mlcore.experiments.variants import COMPARISONS, compare

EPOCHS = 100


def curves(name: str = "baseline", *, epochs: int = EPOCHS, dropout: float = 0.0, **columns: Any) -> Curves:
    """A healthy run (losses fall and level off together), with the columns a test wants otherwise."""
    t = np.arange(1, epochs + 1, dtype=float)
    healthy: dict[str, Any] = {
        "epoch": t,
        "train_loss": 0.06 + 0.3 * np.exp(-t / 3),
        "train_loss_eval": 0.06 + 0.25 * np.exp(-t / 3),
        "validation_loss": 0.075 + 0.25 * np.exp(-t / 3),
        "train_accuracy_eval": 0.985 - 0.1 * np.exp(-t / 3),
        "validation_accuracy": 0.978 - 0.1 * np.exp(-t / 3),
        "learning_rate": np.full(epochs, 0.001),
        "seconds": np.full(epochs, 2.0),
    }
    return Curves.from_table(name, {**healthy, **columns}, dropout=dropout)


def overfitted(name: str = "baseline", **columns: Any) -> Curves:
    """Training loss to nothing, validation loss lowest at epoch 8 and then ten times that."""
    t = np.arange(1, EPOCHS + 1, dtype=float)
    shape: dict[str, Any] = {
        "train_loss": 0.3 * np.exp(-t / 5),
        "train_loss_eval": 0.28 * np.exp(-t / 5),
        "validation_loss": np.where(t <= 8, 0.06 + 0.02 * (8 - t), 0.06 + 0.006 * (t - 8)),
        "train_accuracy_eval": 1 - 0.1 * np.exp(-t / 5),
        "validation_accuracy": 0.979 - 0.1 * np.exp(-t / 3),
    }
    return curves(name, **{**shape, **columns})


T = np.arange(1, EPOCHS + 1, dtype=float)
STEPPED = 0.01 * 0.1 ** np.floor((T - 1) / 10)

# rule -> (a run it speaks of, a run on which it must keep silent)
CASES: dict[str, tuple[Curves, Curves]] = {
    "turned": (overfitted(), curves()),
    "still_falling": (
        curves(validation_loss=1.0 / np.sqrt(T)),
        overfitted(),
    ),
    # Up by a fifth, in the last epoch alone; in `overfitted` it has long turned.
    "just_rose": (curves(epochs=9, validation_loss=np.r_[0.2 - 0.01 * T[:8], 0.15]), overfitted()),
    "levelled_off": (curves(), curves(epochs=9, validation_loss=np.r_[0.2 - 0.01 * T[:8], 0.15])),
    "gap_grew": (overfitted(), curves()),
    "gap_held": (curves(), overfitted()),
    # Where the accuracy falls with the rising loss, it *is* wrong more often.
    "surer_when_wrong": (overfitted(), overfitted(validation_accuracy=0.98 - 0.0004 * T)),
    "accuracy_fell": (overfitted(validation_accuracy=0.98 - 0.0004 * T), overfitted()),
    "learned_by_heart": (overfitted(), curves()),
    "rate_stopped": (curves(learning_rate=STEPPED), curves()),
    "dropout_illusion": (
        curves(dropout=0.3, train_loss=0.2 + 0.3 * np.exp(-T / 3)),
        # The same curves without dropout mean something else, whatever it is.
        curves(dropout=0.0, train_loss=0.2 + 0.3 * np.exp(-T / 3)),
    ),
    "underfits": (
        curves(train_accuracy_eval=np.full(EPOCHS, 0.85), validation_accuracy=np.full(EPOCHS, 0.84)),
        curves(train_accuracy_eval=np.full(EPOCHS, 0.85), validation_accuracy=np.full(EPOCHS, 0.75)),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_speaks_where_it_should_and_keeps_silent_where_it_should(rule: str) -> None:
    speaks, silent = CASES[rule]
    assert RULES[rule](speaks), f"{rule} said nothing"
    assert RULES[rule](silent) is None, f"{rule} said: {RULES[rule](silent)}"
    assert rule in [finding.rule for finding in describe(speaks)]
    assert rule not in [finding.rule for finding in describe(silent)]


def test_the_numbers_of_the_run_are_quoted() -> None:
    text = " ".join(finding.text for finding in describe(overfitted()))
    # Lowest at epoch 8 with 0.06; the mean of the last five epochs is 0.06 + 0.006 · 90.
    assert "turned at epoch 8" in text
    assert "0.06; at the end it is 0.6, 10 times as high" in text
    assert "“At the end” is the mean of epochs 96 to 100" in text
    shifted = overfitted(validation_loss=np.where(T <= 20, 0.07 + 0.02 * (20 - T), 0.07 + 0.003 * (T - 20)))
    other = " ".join(finding.text for finding in describe(shifted))
    assert "turned at epoch 20" in other and "0.07" in other and "0.304" in other


def test_a_rule_set_off_by_the_schedule_stays_silent_while_the_loss_still_moves() -> None:
    moving = curves(learning_rate=STEPPED, validation_loss=0.4 - 0.003 * T, train_loss_eval=0.38 - 0.003 * T)
    assert RULES["rate_stopped"](moving) is None


def test_a_run_that_came_apart_gets_that_and_nothing_else() -> None:
    broken = curves(validation_loss=np.where(T < 40, 0.1, np.nan))
    assert [finding.rule for finding in describe(broken)] == ["came_apart"]
    assert "epoch 40" in describe(broken)[0].text
    backwards = curves(train_loss_eval=np.linspace(0.3, 2.3, EPOCHS))
    assert [finding.rule for finding in describe(backwards)] == ["came_apart"]
    # A rate far too large: worse than guessing, and not on the way to better. From large weights it may start there.
    assert "above the 2.3 of a network" in (came_apart(curves(train_loss_eval=np.full(EPOCHS, 4.0))) or "")
    assert came_apart(curves(train_loss_eval=40.0 - 0.3 * T)) is None
    assert came_apart(curves()) is None


def test_underfitting_after_the_schedule_has_ended_is_not_cured_by_longer_training() -> None:
    low = {"train_accuracy_eval": np.full(EPOCHS, 0.85), "validation_accuracy": np.full(EPOCHS, 0.84)}
    assert "train longer" in (RULES["underfits"](curves(**low)) or "")
    assert "longer training changes nothing" in (RULES["underfits"](curves(learning_rate=STEPPED, **low)) or "")


def test_two_epochs_are_too_few_for_a_word() -> None:
    assert [finding.rule for finding in describe(curves(epochs=2))] == ["too_short"]
    assert describe(curves(epochs=3))[0].rule != "too_short"


# rule -> ((base, variant) it speaks of, (base, variant) on which it must keep silent)
PAIRS: dict[str, tuple[tuple[Curves, Curves], tuple[Curves, Curves]]] = {
    "gap_changed": ((overfitted(), curves("dropout 0.3")), (overfitted(), overfitted("dropout 0.3"))),
    "turning_moved": ((overfitted(), curves("dropout 0.3")), (overfitted(), overfitted("dropout 0.3"))),
    "lowest_changed": (
        (curves(), curves("dropout 0.3", validation_loss=0.06 + 0.25 * np.exp(-T / 3))),
        (curves(), curves("dropout 0.3", validation_loss=0.0755 + 0.25 * np.exp(-T / 3))),
    ),
    "learns_slower": (
        (curves(), curves("dropout 0.3", validation_accuracy=0.978 - 0.1 * np.exp(-T / 12))),
        (curves(), curves("dropout 0.3")),
    ),
    "fit_worsened": ((overfitted(), curves("dropout 0.3")), (curves(), overfitted("dropout 0.3"))),
    "frozen": (
        (curves(), curves("StepLR", learning_rate=STEPPED)),
        (curves(), curves("StepLR", learning_rate=0.01 * 0.5 ** np.floor((T - 1) / 20))),
    ),
}


@pytest.mark.parametrize("rule", PAIRS)
def test_each_comparison_speaks_where_it_should_and_keeps_silent_where_it_should(rule: str) -> None:
    speaks, silent = PAIRS[rule]
    assert COMPARISONS[rule](*speaks), f"{rule} said nothing"
    assert COMPARISONS[rule](*silent) is None, f"{rule} said: {COMPARISONS[rule](*silent)}"


def test_every_comparison_has_a_pair_of_cases() -> None:
    assert set(COMPARISONS) == {*PAIRS, "accuracy_changed"}
    assert set(RULES) == set(CASES)


def test_accuracy_is_called_higher_hurt_or_chance_by_its_interval() -> None:
    base = curves()
    say = COMPARISONS["accuracy_changed"]

    def with_accuracy(value: float) -> str | None:
        return say(base, curves("dropout 0.3", validation_accuracy=np.full(EPOCHS, value)))

    assert "is higher" in (with_accuracy(0.990) or "")
    assert "dropout 0.3 hurt" in (with_accuracy(0.960) or "")
    assert "inside the noise" in (with_accuracy(0.979) or "")
    # The same difference on a hundred images proves nothing.
    few = Curves(**{**base.__dict__, "validation_images": 100})
    assert "inside the noise" in (say(few, curves("dropout 0.3", validation_accuracy=np.full(EPOCHS, 0.96))) or "")


def test_runs_of_different_lengths_are_compared_at_the_last_epoch_both_have() -> None:
    text = " ".join(finding.text for finding in compare(overfitted(), curves("short", epochs=40)))
    assert "epochs 37 to 40" in text and "epoch 100" not in text


def test_why_training_images_are_learned_less_well_depends_on_the_run() -> None:
    say = COMPARISONS["fit_worsened"]
    assert "The rate fell before" in (say(overfitted(), curves("StepLR", learning_rate=STEPPED)) or "")
    assert "holding a network back" in (say(overfitted(), curves("dropout 0.3", dropout=0.3)) or "")
    both = curves("dropout 0.3 + StepLR", dropout=0.3, learning_rate=STEPPED)
    assert "cannot tell which does more" in (say(overfitted(), both) or "")
    assert (say(overfitted(), curves("rate 1")) or "").endswith("with baseline.")


def table(validation: list[float], test: list[float]) -> dict[str, Any]:
    return {"epoch": range(1, len(test) + 1), "validation_accuracy": validation, "test_accuracy": test}


def test_the_best_epoch_is_chosen_on_validation_alone() -> None:
    chosen = select(table([0.90, 0.98, 0.97, 0.98], [0.99, 0.95, 0.999, 0.96]), 10_000, 3_000)
    assert chosen.best.epoch == 2, "of equally good epochs the first; the test images have no say"
    assert chosen.best.test_accuracy == 0.95
    assert chosen.last.epoch == 4
    low, high = chosen.best.test_interval
    assert low < 0.95 < high
    assert (low, high) == (pytest.approx(0.9416, abs=1e-4), pytest.approx(0.9573, abs=1e-4))
    words = explain(chosen)
    assert "Epoch 2" in words and "95.00 %" in words and "−1.0 points" in words
    assert "inside the noise" in words


def test_selection_says_when_choosing_changed_nothing_and_needs_an_epoch() -> None:
    assert "changed nothing" in explain(select(table([0.9, 0.95], [0.9, 0.94]), 750, 250))
    with pytest.raises(ValueError, match="no epoch"):
        select(table([], []), 750, 250)


def test_numpy_answers_as_pytorch_does() -> None:
    torch = pytest.importorskip("torch")
    from mlcore.networks.model import build

    torch.manual_seed(4)
    module = build((784, 16, 12, 10)).eval()
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (1500, 784), dtype=np.uint8)
    linear = [layer for layer in module if isinstance(layer, torch.nn.Linear)]
    weights = {f"weight{i}": layer.weight.detach().numpy().T for i, layer in enumerate(linear, 1)}
    weights |= {f"bias{i}": layer.bias.detach().numpy() for i, layer in enumerate(linear, 1)}
    with torch.no_grad():
        expected = module((torch.tensor(images) / 255 - 0.1307) / 0.3081).softmax(1).numpy()
    np.testing.assert_allclose(predict_probabilities(weights, images), expected, atol=2e-6)


def test_weights_that_do_not_fit_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="without a gap"):
        predict_probabilities({"weight2": np.zeros((784, 10)), "bias2": np.zeros(10)}, np.zeros((1, 784)))
    with pytest.raises(ValueError, match="layer 1 gives 5"):
        predict_probabilities(
            {"weight1": np.zeros((784, 5)), "bias1": np.zeros(5), "weight2": np.zeros((6, 10)), "bias2": np.zeros(10)},
            np.zeros((1, 784)),
        )


def answers(labels: np.ndarray, wrong: dict[int, float]) -> np.ndarray:
    """Right answers with probability 0.6, but for the given images, wrong by that probability."""
    rows = np.full((len(labels), 10), 0.04)
    for i, label in enumerate(labels):
        rows[i, (label + 1) % 10 if i in wrong else label] = wrong.get(i, 0.6)
    return rows


def test_two_networks_are_told_apart_image_by_image() -> None:
    labels = np.arange(20) % 10
    result = versus.disagreement(labels, answers(labels, {1: 0.7, 2: 0.9, 5: 0.5}), answers(labels, {5: 0.8, 7: 0.6}))
    assert list(result.both_wrong) == [5]
    assert list(result.only_first_wrong) == [2, 1], "the surest mistake comes first"
    assert list(result.only_second_wrong) == [7]
    assert len(result.both_right) == 16
    words = versus.explain(result, "A", "B")
    assert "both get 1 wrong" in words and "A alone is wrong on 2" in words and "settles nothing" in words


def test_chance_is_mcnemars_exact_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    for only_first, only_second in ((0, 0), (3, 12), (40, 25), (600, 500)):
        labels = np.zeros(only_first + only_second + 5, dtype=int)
        first = answers(labels, dict.fromkeys(range(only_first), 0.5))
        second = answers(labels, dict.fromkeys(range(only_first, only_first + only_second), 0.5))
        chance = versus.disagreement(labels, first, second).chance
        n = only_first + only_second
        assert chance == pytest.approx(stats.binomtest(only_first, n).pvalue if n else 1.0, rel=1e-9)


def test_an_image_that_leaves_the_last_hidden_layer_silent_gets_the_answer_of_the_biases() -> None:
    """One hidden unit, on for bright images alone; output biases log(1 … 10) make answers of 1/55 … 10/55."""
    weights = {
        "weight1": np.full((784, 1), 0.01),
        "bias1": np.array([-5.0]),
        "weight2": np.eye(1, 10),
        "bias2": np.log(np.arange(1, 11)),
    }
    images = np.zeros((4, 784), dtype=np.uint8)
    images[3] = 255
    said = predict_probabilities(weights, images)
    biases = answer_of_biases(weights)
    np.testing.assert_allclose(biases, np.arange(1, 11) / 55, rtol=1e-6)
    np.testing.assert_array_equal(said[:3], np.tile(biases, (3, 1)))
    assert said[3].argmax() == 0
    words = versus.explain_silence("N", np.array([9, 9, 4, 0]), said, biases)
    assert words.startswith("3 of these 4 images leave every unit of N's last hidden layer at 0.")
    assert "18.2 % for 9. Of its 1 mistakes, 1 are of this kind." in words
    assert versus.explain_silence("N", np.array([9, 0]), said[[0, 3]], biases) == "", "one alone is no pattern"
