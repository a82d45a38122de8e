"""`python -m mlcore graph` as a shell calls it."""

import json
import subprocess
import sys

import pytest

from mlcore.__main__ import main
from mlcore.autodiff import EXAMPLES

REPORT = EXAMPLES["report"]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "mlcore", "graph", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def call(monkeypatch, capsys):
    """The same within this process: (exit status, stdout, stderr)."""

    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["mlcore", "graph", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    return called


def settings_of(values):
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def test_the_reports_value_and_gradients():
    done = run(REPORT.expression, *settings_of(REPORT.values), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert set(printed) == {"value", "gradients"}
    assert printed["value"] == pytest.approx(0.26887, abs=1e-12)
    assert printed["gradients"] == pytest.approx({name: REPORT.printed[name] for name in REPORT.values}, abs=1e-12)
    assert list(printed["gradients"]) == list(REPORT.values)


def test_a_table_without_json(call):
    status, out, _ = call(REPORT.expression, *settings_of(REPORT.values))
    assert status == 0
    assert "f = 0.26887" in out
    assert [line for line in out.splitlines() if "x1 * w1" in line and "-0.23" in line]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["-x*w", "--set", "x=2", "--set", "w=-1.5"], 3),
        (["-x*w", "--set", "x=2", "w=1/4"], -0.5),
        (["--set", "x=2", "--", "-x"], -2),
        (["2*3"], 6),
    ],
)
def test_expressions_and_values_as_people_type_them(call, arguments, value):
    # Behind a bare -- everything is taken as it stands, so --json goes first.
    status, out, err = call("--json", *arguments)
    assert (status, err) == (0, "")
    assert json.loads(out)["value"] == value


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x^2", "--set", "x=2"], "Column 2: Write ** for a power."),
        (["1/x", "--set", "x=0"], "Column 2: Division by zero: 1 / 0 has no value."),
        (["x*y", "--set", "x=2"], "There is no value for y."),
        (["x", "--set", "x=nan"], "must be a number such as -1.5, not nan"),
        (["x", "--set", "x"], "--set takes NAME=NUMBER"),
        (["x", "--set", "x=1", "--set", "x=2"], "x is set twice."),
        (["x", "--set", "x=1", "--set", "y=2"], "There is no y in the expression"),
        (["x", "y"], "One expression is needed"),
        (["x", "--sat", "x=1"], "There is no option --sat"),
        ([], "EXPRESSION"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(call, arguments, says):
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_bad_input_from_a_shell_has_no_traceback():
    done = run("x^2", "--set", "x=2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Column 2: Write ** for a power.\n"


def test_it_starts_without_the_heavy_libraries():
    code = (
        "import sys, mlcore.__main__; print([m for m in ('numpy', 'pydantic', 'torch', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
