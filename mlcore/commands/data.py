"""`python -m mlcore data`: which digits are here, and getting the rest.

`status` looks, `download` gets all of MNIST through torchvision, `verify` reads it through against its checksums.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(help="Look at, download or verify the digits.", no_args_is_help=True)

DataDir = Annotated[
    Path | None,
    typer.Option(help="A torchvision root, the folder above MNIST/raw. Default: $MLCORE_DATA, then data/."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say which sources can be opened, how many digits each has, and where they lie."""
    from mlcore.data.mnist import SOURCES, DataUnavailable, data_directory, open_source

    directory = data_directory(data_dir)
    found: dict[str, dict[str, object]] = {}
    for source in SOURCES:
        try:
            digits = open_source(source, directory)
        except DataUnavailable as problem:
            found[source] = {"available": False, "images": 0, "problem": str(problem)}
        else:
            found[source] = {"available": True, "images": len(digits), "data_hash": digits.data_hash}
    if as_json:
        typer.echo(json.dumps({"data_dir": str(directory), "sources": found}))
        return
    for source, facts in found.items():
        says = f"{facts['images']:,} digits, sha256 {str(facts.get('data_hash'))[:12]}…"
        typer.echo(f"{source:<8}{says if facts['available'] else facts['problem']}")


@app.command()
def download(data_dir: DataDir = None) -> None:
    """Get all of MNIST through torchvision (12 MB), check it, and prepare it for use."""
    from mlcore.data.mnist import DataUnavailable, available_sources, data_directory, open_source

    directory = data_directory(data_dir)
    if "mnist" not in available_sources(directory):
        typer.echo(f"Downloading MNIST into {directory} …", err=True)
    try:
        digits = open_source("mnist", directory, download=True)
    except DataUnavailable as problem:
        _give_up(problem)
    typer.echo(f"MNIST is in {directory}: {len(digits):,} digits.")


@app.command()
def verify(data_dir: DataDir = None) -> None:
    """Read MNIST's files through and compare them with their checksums."""
    from mlcore.data.mnist import DataUnavailable, data_directory
    from mlcore.data.mnist import verify as verify_files

    directory = data_directory(data_dir)
    try:
        data_hash = verify_files(directory)
    except DataUnavailable as problem:
        _give_up(problem)
    typer.echo(f"MNIST in {directory} is whole: sha256 {data_hash}.")


def _give_up(problem: ValueError) -> NoReturn:
    typer.echo(str(problem), err=True)
    raise typer.Exit(2)
