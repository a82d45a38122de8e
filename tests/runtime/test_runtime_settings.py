"""Limits from the environment, and names from outside."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mlcore.runtime import Settings, UnknownRun, new_token, read_settings, valid_run_id, valid_token
from mlcore.runtime.tokens import new_run_id, owner_key


def test_the_environment_sets_the_limits(monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_MAX_EPOCHS", "30")
    monkeypatch.setenv("LAB_SOURCES", "sample")
    monkeypatch.setenv("LAB_WORKERS", "3")
    monkeypatch.setenv("LAB_MAX_RUNS", "")
    monkeypatch.setenv("LAB_DIRECTORY", str(tmp_path))
    settings, notices = read_settings()
    assert notices == ()
    assert (settings.max_epochs, settings.sources, settings.worker_count) == (30, ("sample",), 3)
    assert settings.directory == tmp_path
    assert settings.max_runs == 2000


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_EPOCHS", "many"), ("MAX_EPOCHS", "0"), ("SOURCES", "cifar"), ("SOURCES", ","), ("SLICE_SECONDS", "nan")],
)
def test_a_setting_that_cannot_be_used_is_named_and_left_at_its_default(monkeypatch, name, value):
    monkeypatch.setenv(f"LAB_{name}", value)
    monkeypatch.setenv("LAB_MAX_RUNS", "7")
    settings, notices = read_settings()
    assert getattr(settings, name.lower()) == Settings.model_fields[name.lower()].default
    assert settings.max_runs == 7
    assert len(notices) == 1
    assert notices[0].startswith(f"LAB_{name} was ignored")


def test_at_least_one_worker(monkeypatch):
    monkeypatch.setattr("loky.cpu_count", lambda: 1)
    assert Settings().worker_count == 1


def test_tokens_cannot_be_guessed_and_need_no_escaping():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(valid_token(item) for item in tokens)
    assert valid_run_id(new_run_id())


@pytest.mark.parametrize(
    "text", [None, 7, b"x" * 22, "", "x" * 21, "x" * 23, "x" * 21 + "\n", "x" * 21 + "é", "../../../etc/passwd/.."]
)
def test_what_is_no_token(text):
    assert not valid_token(text)
    with pytest.raises(UnknownRun):
        owner_key(text)


@hypothesis_settings(deadline=None)
@given(st.text())
def test_hostile_ids_are_not_ids(text):
    assert valid_run_id(text) == (len(text) == 16 and set(text) <= set("0123456789abcdef"))
    assert not valid_run_id(text + "\n")


def test_the_store_never_sees_a_token():
    token = new_token()
    key = owner_key(token)
    assert token not in key
    assert len(key) == 64
    assert key == owner_key(token) != owner_key(new_token())


def test_every_setting_is_documented_with_its_default():
    text = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text()
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `LAB_")}
    assert list(rows) == [f"LAB_{name.upper()}" for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        row = rows[f"LAB_{name.upper()}"]
        assert str(field.description) in row
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert f"| {field.default:g} |" in row or f"| {field.default} |" in row


def test_the_documented_set_for_a_hosted_app_can_be_used(monkeypatch):
    text = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text()
    values = tomllib.loads(text.partition("```toml\n")[2].partition("```")[0])
    assert len(values) > 5
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings, notices = read_settings()
    assert notices == ()
    assert (settings.max_epochs, settings.task_worker) == (100, False)
