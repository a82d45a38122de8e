"""The command line: `python -m mlcore graph | data | train | record`.

Each command lives in a file of `mlcore.commands` and imports what it needs when it runs, so that `graph` answers
without loading NumPy's friends and nothing loads PyTorch that does not train with it.
"""

from __future__ import annotations

import sys

import typer

from mlcore.commands.data import app as data
from mlcore.commands.graph import graph
from mlcore.commands.record_networks import networks
from mlcore.commands.record_table1 import table1
from mlcore.commands.train import add_train_commands

app = typer.Typer(
    name="mlcore",
    help="Backprop Lab's library from the command line: gradients, data, training, recording.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
train = typer.Typer(help="Train a network and print every epoch.", no_args_is_help=True)
record = typer.Typer(help="Make the recorded results in assets/ again.", no_args_is_help=True)

# An expression may begin with a minus sign: "-x*w" is no option.
app.command("graph", context_settings={"ignore_unknown_options": True})(graph)
app.add_typer(data, name="data")
app.add_typer(train, name="train")
app.add_typer(record, name="record")
add_train_commands(train)
record.command("table1")(table1)
record.command("networks")(networks)


def main() -> None:
    """Run the command line; wrong options cost exit status 2 and one sentence on stderr."""
    command = typer.main.get_command(app)
    try:
        code = command(prog_name="python -m mlcore", standalone_mode=False)
    except Exception as error:
        # Typer's own complaints about options know their sentence and their exit status; anything else is a bug.
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()
        if message:
            print(message, file=sys.stderr)
        code = getattr(error, "exit_code", 2)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
