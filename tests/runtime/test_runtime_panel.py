"""The live panel: what it says in each state, that its buttons steer the run, and that it keeps a run going."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mlcore.experiments.configs import ScratchConfig
from mlcore.runtime import Runtime, Settings, new_token, valid_token
from tests.runtime.conftest import FAKE, wait_until
from ui import run_words, runs

PAGE = """
import streamlit as st
from ui.runs import live_panel, owner, runtime

def draw(view, epochs):
    st.markdown(f"drawn: {len(epochs)} epochs")

def forked(new):
    st.session_state["run"] = new

view = runtime().run(owner(), st.session_state["run"])
st.caption(f"The page knows: {'under way' if view.live else 'at rest'}, epoch {view.epoch}.")
if "before_panel" in st.session_state:
    st.session_state["before_panel"]()
live_panel(view, charts=draw, on_fork=forked, key="panel")
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    found = Runtime.start(
        Settings(
            directory=tmp_path_factory.mktemp("panel"),
            slice_seconds=0.1,
            workers=1,
            max_active_runs=4,
            task_worker=False,
        ),
        trainers=FAKE,
    )
    yield found
    found.close()


@pytest.fixture
def page(runtime, monkeypatch):
    monkeypatch.setattr(runs, "_runtime", lambda: runtime)
    token = new_token()
    app = AppTest.from_string(PAGE, default_timeout=20)
    app.query_params["me"] = token

    def open_with(**values) -> tuple[AppTest, str, str]:
        app.session_state["run"] = run_id = runtime.submit(token, ScratchConfig(**{"hidden": (4,), **values}))
        return app.run(), token, run_id

    yield open_with
    for view in runtime.runs(token):
        runtime.delete(token, view.id)


def words(app: AppTest) -> str:
    assert not app.exception
    return "\n".join(item.value for kind in (app.markdown, app.caption, app.warning, app.info) for item in kind)


def labels(app: AppTest) -> dict[str, bool]:
    """The buttons, and whether each can be pressed."""
    return {button.label: not button.disabled for button in app.button}


def test_a_run_from_its_first_turn_to_its_end(page, runtime):
    app, token, run_id = page(epochs=20)
    assert "Waiting for its first turn" in words(app) or "Training" in words(app)
    wait_until(lambda: runtime.run(token, run_id).epoch > 2)
    text = words(app.run())
    assert "**Training**" in text
    assert "images per second while it trains" in text
    assert "It has the machine to itself." in text
    assert labels(app)["Pause"]
    wait_until(lambda: runtime.run(token, run_id).status == "finished")
    text = words(app.run())
    assert "**Finished**" in text
    assert "drawn: 20 epochs" in text
    assert labels(app) == {
        "Resume": False, "One epoch": False, "Stop": False, "Rewind": True, "Start a second run": True
    }  # fmt: skip


def test_the_buttons_steer_the_run(page, runtime):
    app, token, run_id = page(epochs=900)
    wait_until(lambda: runtime.run(token, run_id).epoch > 0)
    app.button(key="panel.go").click().run()
    assert "**Paused**" in words(app)
    epoch = runtime.run(token, run_id).epoch
    app.button(key="panel.step_epoch").click().run()
    wait_until(lambda: runtime.run(token, run_id).epoch > epoch)
    wait_until(lambda: runtime.run(token, run_id).status == "paused")
    assert labels(app.run())["Resume"]
    app.button(key="panel.go").click().run()
    assert runtime.run(token, run_id).status in ("running", "waiting")
    app.button(key="panel.stop").click().run()
    assert "**Stopped**" in words(app)
    app.button(key="panel.rewind").click().run()
    assert "**Paused**" in words(app)
    assert "drawn: 0 epochs" in words(app)


def test_changing_one_thing_starts_a_second_run(page, runtime):
    app, token, run_id = page(epochs=5)
    app.selectbox(key="panel.setting").select("learning_rate").run()
    app.text_input(key="panel.value.learning_rate").input("0.5").run()
    app.button(key="panel.fork").click().run()
    second = app.session_state["run"]
    assert second != run_id
    assert runtime.run(token, second).config.learning_rate == 0.5
    assert runtime.run(token, second).parent == run_id
    app.selectbox(key="panel.setting").select("initializer").run()
    choice = app.selectbox(key="panel.value.initializer")
    assert "normal" not in choice.options and "He" in " ".join(choice.options), "what it is now is no change"
    choice.select("he").run()
    app.button(key="panel.fork").click().run()
    assert runtime.run(token, app.session_state["run"]).config.initializer == "he"
    second = app.session_state["run"]
    app.selectbox(key="panel.setting").select("learning_rate").run()
    app.text_input(key="panel.value.learning_rate").input("fast").run()
    app.button(key="panel.fork").click().run()
    assert "learning rate must be a number" in words(app).replace("\\", "")
    assert app.session_state["run"] == second


def test_a_limit_is_said_in_the_panel(page, runtime):
    app, token, run_id = page(epochs=900)
    app.button(key="panel.stop").click().run()
    assert not runtime._dispatcher.active()
    others = [runtime.submit(token, ScratchConfig(epochs=900)) for _ in range(4)]
    app.button(key="panel.go").click().run()
    assert "4 runs are training or waiting" in words(app)
    assert runtime.run(token, run_id).status == "stopped"
    for item in others:
        runtime.delete(token, item)
    app.button(key="panel.go").click().run()
    assert "training or waiting" not in words(app)
    runtime.delete(token, run_id)


def test_several_runs_say_that_they_share_the_machine(page, runtime):
    app, token, run_id = page(epochs=900)
    second = runtime.submit(token, ScratchConfig(epochs=900))
    wait_until(lambda: all(view.epoch for view in runtime.runs(token)))
    assert "2 runs take turns on this machine." in words(app.run())
    for item in (run_id, second):
        runtime.delete(token, item)


def test_a_busy_app_says_how_many_share_it_and_what_that_does_to_the_time_left(page, runtime, monkeypatch):
    monkeypatch.setattr(run_words, "BUSY", 2)
    app, token, run_id = page(epochs=900)
    others = [new_token() for _ in range(2)]
    theirs = [(other, runtime.submit(other, ScratchConfig(epochs=900, hidden=(4,)))) for other in others]
    wait_until(lambda: runtime.run(token, run_id).seconds_left)
    text = words(app.run())
    view = runtime.run(token, run_id)
    assert "The app is busy: 3 runs take turns on this machine. Alone, this one would need about " in text
    assert view.time_left == pytest.approx(3 * view.seconds_left)
    for other, item in theirs:
        runtime.delete(other, item)
    assert "It has the machine to itself." in words(app.run())
    runtime.delete(token, run_id)


def test_where_every_run_has_a_worker_none_is_said_to_take_turns(page, runtime, monkeypatch):
    app, token, run_id = page(epochs=900)
    second = runtime.submit(token, ScratchConfig(epochs=900, hidden=(4,)))
    monkeypatch.setattr(runtime, "sharing", lambda: (2, 1, 2))
    assert "2 runs train on this machine at the same time, each with a worker of its own." in words(app.run())
    for item in (run_id, second):
        runtime.delete(token, item)


def test_what_it_says_when_a_run_stands_still(page, runtime):
    app, token, run_id = page(epochs=900)
    live = runtime._dispatcher.live[run_id]
    with runtime._dispatcher.lock:
        live.set("failed", error="It *broke* <b>badly</b>.")
    assert "**Could not go on**. It \\*broke\\* \\<b\\>badly" in words(app.run())
    with runtime._dispatcher.lock:
        live.set("paused", "storage", "The disk is full.")
        live.retry_at = time.monotonic() + 60
    assert "The disk is full" in words(app.run())
    with runtime._dispatcher.lock:
        live.set("paused", "idle")
    assert "Training" in words(app.run()) or "Waiting" in words(app), "looking at it lets it go on"
    runtime.delete(token, run_id)


def test_a_run_that_ends_while_the_page_is_drawn_is_not_shown_as_under_way(page, runtime):
    """A quick run may end between the page's own look and the panel's: the page must be run once more then."""
    app, token, run_id = page(epochs=1000)
    assert "The page knows: under way" in words(app)
    app.session_state["before_panel"] = lambda: (
        runtime.stop(token, run_id),
        wait_until(lambda: not runtime.run(token, run_id).live),
    )
    assert "The page knows: at rest" in words(app.run())
    assert "**Stopped**" in words(app)


def test_the_page_follows_when_the_first_epoch_ends_and_when_it_goes(page, runtime):
    app, token, run_id = page(epochs=1000)
    runtime.stop(token, run_id)
    runtime.rewind(token, run_id)
    assert "epoch 0." in words(app.run())
    app.session_state["before_panel"] = lambda: (
        None if runtime.run(token, run_id).epoch else runtime.step_epoch(token, run_id),
        wait_until(lambda: runtime.run(token, run_id).epoch == 1),
    )
    assert "epoch 1." in words(app.run())
    app.session_state["before_panel"] = lambda: runtime.rewind(token, run_id)
    assert "epoch 0." in words(app.run())


def test_results_of_a_run_that_still_trains_say_so_and_keep_it_going(page, runtime):
    _, token, run_id = page(epochs=1000)
    script = PAGE[: PAGE.index("live_panel(view")].replace("import live_panel", "import live_line") + "live_line(view)"
    line = AppTest.from_string(script, default_timeout=20)
    line.query_params["me"] = token
    line.session_state["run"] = run_id
    wait_until(lambda: runtime.run(token, run_id).epoch > 0)
    before = runtime._dispatcher.live[run_id].looked_at
    assert "This run is still training (" in words(line.run())
    assert runtime._dispatcher.live[run_id].looked_at > before
    line.session_state["before_panel"] = lambda: (
        runtime.stop(token, run_id),
        wait_until(lambda: not runtime.run(token, run_id).live),
    )
    text = words(line.run())
    assert "The page knows: at rest" in text and "still training" not in text


def test_a_run_that_was_deleted_meanwhile_is_said_so(page, runtime):
    app, token, run_id = page(epochs=1000)
    app.session_state["before_panel"] = lambda: runtime.delete(token, run_id)
    assert "This run was deleted." in words(app.run())
    assert not app.button


@pytest.mark.parametrize("given", ["", "short", "x" * 22 + "<script>", "../../../../../../etc"])
def test_a_token_that_is_none_is_replaced(given, runtime, monkeypatch):
    monkeypatch.setattr(runs, "_runtime", lambda: runtime)
    app = AppTest.from_string("import streamlit as st\nfrom ui.runs import owner\nst.session_state['owner'] = owner()")
    app.query_params["me"] = given
    app.run()
    token = app.session_state["owner"]
    assert valid_token(token)
    assert token != given
    assert app.query_params["me"] in (token, [token])
    app.run()
    assert app.session_state["owner"] == token


def test_a_database_that_cannot_be_opened_is_said_once(monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_DATABASE_URL", "sqlite:////nowhere/at/all/lab.db")
    st.cache_resource.clear()
    app = AppTest.from_string("from ui.runs import runtime\nruntime()\nimport streamlit as st\nst.write('after')").run()
    assert "cannot be opened" in app.error[0].value
    assert "reload the page to try again" in app.error[0].value
    assert not app.exception
    assert not app.markdown


def test_what_the_app_met_at_its_start_is_said_once_to_everybody(runtime, monkeypatch):
    monkeypatch.setattr(runs, "_runtime", lambda: runtime)
    monkeypatch.setattr(runtime, "notices", ["LAB_MAX_EPOCHS was ignored."])
    script = "from ui.runs import runtime\nruntime()\nruntime()"
    for _ in range(2):
        app = AppTest.from_string(script).run()
        assert [toast.value for toast in app.toast] == ["LAB\\_MAX\\_EPOCHS was ignored\\."]
        assert not app.run().toast
    runtime.notices.append("The run database was damaged.")
    assert [toast.value for toast in app.run().toast] == ["The run database was damaged\\."]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "less than a second"),
        (4.4, "about 4 s"),
        (89, "about 89 s"),
        (100, "about 2 min"),
        (7000, "about 1 h 57 min"),
        (47.9 * 3600, "about 47 h 54 min"),
        (83.8 * 3600, "about 3 days"),
    ],
)
def test_lengths_of_time(seconds, text):
    assert run_words.duration(seconds) == text


def test_no_training_in_the_interface():
    """Pages and ui ask the runtime; neither imports a trainer's way of moving a run."""
    root = Path(__file__).resolve().parents[2]
    for path in [*root.glob("ui/**/*.py"), *root.glob("pages/*.py")]:
        assert "advance(" not in path.read_text(), path


def test_a_pause_is_watched_until_the_slice_under_way_has_landed(page, runtime):
    """What a worker still brings moves the figures once more; the panel must not stand still before that."""
    _, token, run_id = page(epochs=1000)

    def paused_in_flight() -> bool:
        runtime.resume(token, run_id)
        wait_until(lambda: runtime.run(token, run_id).landing)
        runtime.pause(token, run_id)
        return runtime.run(token, run_id).landing  # or it has just landed: then once more

    wait_until(paused_in_flight)
    view = runtime.run(token, run_id)
    while view.live:
        time.sleep(0.01)
        view = runtime.run(token, run_id)
    assert view.status == "paused"
    time.sleep(0.3)
    at_rest = runtime.run(token, run_id)
    assert (at_rest.epoch, at_rest.batch) == (view.epoch, view.batch)
