"""`python -m mlcore record table1`: train report R1's table 1 again, with the report's weights and with He weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def table1(
    data_dir: Annotated[Path | None, typer.Option(help="Where full MNIST lies (a torchvision root).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for epochs.csv and summary.json; default: assets/.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Trainings at a time, one process each.")] = 1,
) -> None:
    """Train the 60 runs of table 1 on full MNIST (3 splits × tanh/ReLU × normal/He × 5 seeds, 25 epochs each).

    Stopped at any moment, it goes on with the runs that are missing when called again.
    """
    from mlcore.experiments.table1 import RECORDED, record_table1

    try:
        for done, total, key in record_table1(data_dir, out or RECORDED, workers=workers):
            typer.echo(f"{done}/{total}  {key.activation} {key.train_fraction:.0%} {key.initializer} seed {key.seed}")
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
