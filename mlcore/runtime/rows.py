"""Between the store's rows and the values the rest of the runtime speaks: JSON in columns, bytes in checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from mlcore.experiments.configs import read_config
from mlcore.runtime.tables import checkpoints, epochs
from mlcore.runtime.views import RunRecord


def row_of(record: RunRecord) -> dict[str, Any]:
    """The columns of a run."""
    return {
        "id": record.id,
        "owner": record.owner,
        "config": record.config.model_dump_json(),
        "name": record.name,
        "prediction": json.dumps(record.prediction),
        "run_group": record.group,
        "parent": record.parent,
        "status": record.status,
        "reason": record.reason,
        "error": record.error,
        "halted": record.halted,
        "epoch": record.epoch,
        "batch": record.batch,
        "batches": record.batches,
        "seconds": record.seconds,
        "best_epoch": record.best_epoch,
        "best_accuracy": record.best_accuracy,
        "created": record.created,
        "updated": record.updated,
        "versions": json.dumps(record.versions),
        "data_hash": record.data_hash,
    }


def record_of(row: Any) -> RunRecord | None:
    """The run in a row; None where the row cannot be read (its config is not one this version knows)."""
    try:
        values = dict(row._mapping)
        values.pop("server", None)
        values["group"] = values.pop("run_group")
        values["config"] = read_config(values["config"])
        values["prediction"] = json.loads(values["prediction"])
        values["versions"] = json.loads(values["versions"])
        return RunRecord(**values)
    except (ValueError, TypeError, KeyError):
        return None


def put_epochs(connection: Connection, run_id: str, results: Sequence[Mapping[str, Any]]) -> None:
    """Keep the figures of some epochs, in place of those that are there for the same epochs."""
    if not results:
        return
    numbers = [int(item["epoch"]) for item in results]
    connection.execute(epochs.delete().where(epochs.c.run_id == run_id, epochs.c.epoch.in_(numbers)))
    rows = [
        {"run_id": run_id, "epoch": number, "figures": json.dumps(item)}
        for number, item in zip(numbers, results, strict=True)
    ]
    connection.execute(epochs.insert(), rows)


def put_checkpoints(connection: Connection, run_id: str, weights: Mapping[int, bytes]) -> None:
    """Keep weights under their labels, in place of those that are there."""
    for label, data in weights.items():
        row = {"size": len(data), "data": data}
        place = (checkpoints.c.run_id == run_id) & (checkpoints.c.epoch == label)
        if not connection.execute(checkpoints.update().where(place).values(row)).rowcount:
            connection.execute(checkpoints.insert().values(run_id=run_id, epoch=label, **row))
