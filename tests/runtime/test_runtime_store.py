"""The store, on SQLite and on a real PostgreSQL server: the same tests."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterator

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from mlcore.experiments.configs import NetworkConfig, ScratchConfig
from mlcore.records import Checkpoint, ScratchEpoch
from mlcore.runtime import migrations
from mlcore.runtime.problems import StoreUnavailable
from mlcore.runtime.rows import put_checkpoints, put_epochs, row_of
from mlcore.runtime.store import ABANDONED_AFTER, Store
from mlcore.runtime.tables import LATEST, START, metadata
from mlcore.runtime.tokens import new_run_id
from mlcore.runtime.views import RunRecord

OWNER, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    found = Store(database_url)
    yield found
    found.close()


def record(owner: str = OWNER, **values) -> RunRecord:
    return RunRecord(id=new_run_id(), owner=owner, config=values.pop("config", ScratchConfig()), **values)


def epoch(number: int, accuracy: float = 0.5) -> ScratchEpoch:
    confusion = tuple(tuple(range(10)) for _ in range(10))
    return ScratchEpoch(
        epoch=number,
        train_loss=1 / 3,
        train_accuracy=0.1 + 0.2,
        seconds=0.25,
        test_loss=1e-300,
        test_accuracy=accuracy,
        confusion=confusion,
        statistics={"dead": (0.0, 0.125)},
    )


def weights(value: float = 0.0) -> bytes:
    return Checkpoint({"w": np.full(1000, value)}, {"rng": {"state": 2**127}}, epoch=3, batches=7).to_bytes()


def test_a_run_comes_back_as_it_was_put_in(store):
    run = record(
        config=NetworkConfig(architecture="custom", hidden=(3, 4), step_size=2),
        name="ßØ 'quoted\"; DROP TABLE runs --",
        prediction={"accuracy": 0.9, "why": "ReLU learns faster"},
        group="pair",
    )
    store.insert(run, [epoch(1), epoch(2)], {START: weights(1.0), LATEST: weights(2.0), 2: weights(3.0)})
    assert store.get(run.id) == run
    assert store.of_owner(OWNER) == [run]
    assert store.of_owner(OTHER) == []
    assert store.epochs(run.id) == [epoch(1), epoch(2)]
    assert store.epochs(run.id, since=1) == [epoch(2)]
    assert store.labels(run.id) == [0, 2]
    assert store.checkpoint(run.id, LATEST) == weights(2.0)
    assert store.checkpoint(run.id, 7) is None
    assert store.used_bytes() == 3 * len(weights())


def test_saving_replaces_the_newest_weights_and_adds_epochs(store):
    run = record()
    store.insert(run)
    for number in (1, 2, 2):
        later = dataclasses.replace(run, epoch=number, status="running", seconds=number * 0.5)
        assert store.save(later, [epoch(number, number / 10).to_dict()], {LATEST: weights(number), number: weights()})
    assert [item.epoch for item in store.epochs(run.id)] == [1, 2]
    assert store.checkpoint(run.id, LATEST) == weights(2)
    assert store.get(run.id).seconds == 1.0
    assert store.last_epochs(OWNER) == {run.id: epoch(2, 0.2)}


def test_saving_does_not_undo_a_rename(store):
    run = record()
    store.insert(run)
    store.rename(run.id, "mine")
    assert store.save(dataclasses.replace(run, name="", epoch=1))
    assert store.get(run.id).name == "mine"


def test_a_deleted_run_stays_deleted(store):
    run = record()
    store.insert(run, [epoch(1)], {LATEST: weights()})
    store.delete([run.id])
    assert not store.save(run, [epoch(2).to_dict()], {LATEST: weights()})
    assert store.get(run.id) is None
    assert store.epochs(run.id) == []
    assert store.used_bytes() == 0


def test_deleting_gives_room_on_the_disk_back(tmp_path):
    path = tmp_path / "lab.db"
    store = Store(f"sqlite:///{path}")
    runs = [record() for _ in range(4)]
    for run in runs:
        store.insert(run, [], {LATEST: bytes(5_000_000)})
    store.delete([run.id for run in runs[1:]])
    store.close()
    assert path.stat().st_size < 8_000_000


def test_rewinding_keeps_the_start_alone(store):
    run = record(epoch=3, best_epoch=3)
    store.insert(run, [epoch(1), epoch(2), epoch(3)], {START: weights(0), LATEST: weights(3), 1: weights(1)})
    store.rewind(dataclasses.replace(run, epoch=0, best_epoch=0, status="paused"))
    assert store.epochs(run.id) == []
    assert store.labels(run.id) == [START]
    assert store.checkpoint(run.id, LATEST) is None
    assert store.get(run.id).status == "paused"


def test_what_a_dead_server_left_is_interrupted_and_can_be_claimed(store, database_url):
    first = Store(database_url)
    running, paused, full = record(status="running"), record(status="paused"), record(status="paused", reason="storage")
    for run in (running, paused, full):
        first.insert(run)
    store.interrupt_orphans()
    assert store.get(running.id).status == "running", "its server is alive"
    assert store.elsewhere(running.id)
    assert not first.elsewhere(running.id)
    assert not store.save(running), "another server's run"
    first.close()
    assert store.get(running.id).status == "interrupted"
    assert store.get(full.id).status == "interrupted"
    assert store.get(paused.id).status == "paused"
    assert not store.elsewhere(running.id)
    assert store.claim(running.id)
    assert store.save(dataclasses.replace(running, epoch=4))
    assert not store.claim(new_run_id())


def test_a_server_that_was_not_heard_of_for_long_is_dead(store, database_url, monkeypatch):
    first = Store(database_url)
    run = record(status="running")
    first.insert(run)
    with first._engine.begin() as connection:
        connection.execute(sa.text("UPDATE servers SET heartbeat = heartbeat - 60, host = 'elsewhere'"))
    monkeypatch.setattr("mlcore.runtime.store._here", set())
    assert store.interrupt_orphans() == 1
    assert store.get(run.id).status == "interrupted"


def test_the_oldest_unnamed_finished_run_goes_first(store):
    now = time.time()
    runs = {
        "named": record(status="finished", name="keep me", updated=now - 900),
        "old": record(status="finished", updated=now - 500),
        "older": record(status="stopped", updated=now - 600),
        "running": record(status="running", updated=now - 800),
        "paused": record(status="paused", updated=now - 700),
        "left lying": record(status="paused", updated=now - ABANDONED_AFTER - 1),
        "another's": record(OTHER, status="failed", updated=now - 650),
    }
    for run in runs.values():
        store.insert(run)
    names = {run.id: name for name, run in runs.items()}
    assert [names[item] for item in store.expendable(OWNER)] == ["older", "old", "left lying"]
    assert [names[item] for item in store.expendable()] == ["another's", "older", "old", "left lying"]
    assert [names[item] for item in store.expendable(limit=1)] == ["another's"]
    assert (store.count(), store.count(OTHER)) == (7, 1)


def test_migrations_make_the_tables_that_the_code_uses(database_url):
    engine = sa.create_engine(database_url)
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == migrations.HEAD
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(sa.inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()


def test_a_new_database_is_at_the_version_of_the_newest_migration(store):
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == migrations.HEAD


def test_an_older_database_is_brought_up_to_date(database_url, tmp_path, monkeypatch):
    """As it will be when the tables change: one more migration than the database has seen."""
    Store(database_url).close()
    place = tmp_path / "migrations"
    shutil.copytree(migrations.__path__[0], place)
    (place / "versions" / "0003_more.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = '0003', '0002'\n"
        "def upgrade():\n    op.add_column('runs', sa.Column('more', sa.Text, server_default='new'))\n"
    )
    monkeypatch.setattr(migrations, "__file__", str(place / "__init__.py"))
    monkeypatch.setattr(migrations, "HEAD", "0003")
    later = Store(database_url)
    with later._engine.connect() as connection:
        assert "more" in {column["name"] for column in sa.inspect(connection).get_columns("runs")}
        assert MigrationContext.configure(connection).get_current_revision() == "0003"
    later.close()


def test_runs_of_the_first_version_are_kept(database_url):
    """A database that the first version of the app made, with a run in it."""
    engine = sa.create_engine(database_url)
    settings = Config()
    settings.set_main_option("script_location", migrations.__path__[0])
    run = record(status="finished", epoch=2, name="from before")
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0001")
        old = sa.Table("runs", sa.MetaData(), autoload_with=connection)
        connection.execute(old.insert().values(**row_of(run), server="", start_epoch=0))
        put_epochs(connection, run.id, [epoch(1).to_dict(), epoch(2).to_dict()])
        put_checkpoints(connection, run.id, {START: weights(0), LATEST: weights(2)})
    engine.dispose()
    store = Store(database_url)
    assert store.get(run.id) == run
    assert store.epochs(run.id) == [epoch(1), epoch(2)]
    assert store.checkpoint(run.id, LATEST) == weights(2)
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == migrations.HEAD
    store.close()


def test_the_newest_migration_is_the_one_the_code_expects():
    script = ScriptDirectory(migrations.__path__[0])
    assert script.get_heads() == [migrations.HEAD]


def test_a_database_from_the_future_is_left_alone(store, database_url):
    with store._engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreUnavailable, match="newer version"):
        Store(database_url)
    with store._engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{migrations.HEAD}'"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "is not a database URL"),
        ("mysql+pymysql://host/name", "needs a driver that is not installed"),
        ("sqlite:////nowhere/at/all/lab.db", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_says_why(url, sentence):
    with pytest.raises(StoreUnavailable, match=sentence):
        Store(url)


@pytest.mark.postgres
def test_a_server_that_does_not_answer_says_so(fresh_postgres):
    with pytest.raises(StoreUnavailable, match="does not answer"):
        Store(fresh_postgres.replace("host=/tmp/", "host=/tmp/not-"))
