"""`python -m mlcore record networks`: train the recorded runs of networks A and B again, or go on with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def networks(
    data_dir: Annotated[Path | None, typer.Option(help="Where full MNIST lies (a torchvision root).")] = None,
    only: Annotated[str, typer.Option(help="Names of the runs, with commas between; all where left out.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder the app reads; assets/networks where left out.")] = None,
    work: Annotated[Path, typer.Option(help="Folder for what is needed to go on.")] = Path("runs/recording/networks"),
    workers: Annotated[int, typer.Option(min=1, max=64, help="Trainings at a time, one process each.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, or cuda where there is such a GPU.")] = "cpu",
) -> None:
    """Train A and B in five variants each on full MNIST: 500 epochs, or 100 where the learning rate dies before.

    Stopped at any moment, it goes on from its last saved epoch when called again. Two cores take about two hours.
    """
    from mlcore.experiments.recorded import FOLDER, RECORDED_NETWORKS
    from mlcore.experiments.recording import record_networks

    names = [name.strip() for name in only.split(",") if name.strip()] or list(RECORDED_NETWORKS)
    unknown = [name for name in names if name not in RECORDED_NETWORKS]
    if unknown:
        typer.echo(f"--only knows {', '.join(RECORDED_NETWORKS)} (not {unknown[0]!r:.40}).", err=True)
        raise typer.Exit(2)
    if device not in ("cpu", "cuda"):
        typer.echo(f"--device must be cpu or cuda (not {device!r:.40}).", err=True)
        raise typer.Exit(2)
    try:
        for line in record_networks(names, data_dir, out or FOLDER, work, device, workers):
            typer.echo(line)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
