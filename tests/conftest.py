"""What all tests share: where the full data is, and what happens to a test that cannot run here.

A test that lacks something (a browser, the full data, a database server) is left out with a reason, which the closing
lines of a run repeat. Where `LAB_TEST_REQUIRE_ALL=1` (as in .ci/run), leaving out is a failure.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("LAB_TEST_REQUIRE_ALL") == "1"

# A busy machine may be slow at any moment; that is no fault of what is tested.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Tests train in a place of their own, never in the developer's runs/.
_own = tempfile.TemporaryDirectory(prefix="backprop-lab-tests-", ignore_cleanup_errors=True)
os.environ.setdefault("LAB_DIRECTORY", _own.name)


def find_mnist() -> Path | None:
    """The torchvision root with all of MNIST: $MLCORE_DATA, else mnist in ../shared beside the project."""
    given = os.environ.get("MLCORE_DATA")
    for place in (Path(given) if given else None, ROOT.parent / "shared" / "mnist"):
        if place and (place / "MNIST" / "raw").is_dir() and any((place / "MNIST" / "raw").glob("train-images-idx3*")):
            return place
    return None


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """All of MNIST; tests that need it are left out where it is not there."""
    place = find_mnist()
    if place is None:
        pytest.skip("all of MNIST is not here: set MLCORE_DATA to a torchvision root that holds it")
    return place


@pytest.fixture
def own_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh place for runs, for a test that counts or inspects them."""
    monkeypatch.setenv("LAB_DIRECTORY", str(tmp_path))
    return tmp_path


def _forbid_leaving_out(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"left out, but LAB_TEST_REQUIRE_ALL=1 forbids that: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    _forbid_leaving_out(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _forbid_leaving_out(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly, at the end, how many tests were left out and why."""
    left_out = terminalreporter.stats.get("skipped", [])
    if not left_out:
        return
    reasons: dict[str, int] = {}
    for report in left_out:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] = reasons.get(reason.removeprefix("Skipped: "), 0) + 1
    terminalreporter.section("tests left out")
    for reason, count in reasons.items():
        terminalreporter.line(f"{count} left out: {reason}")
