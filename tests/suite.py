"""The tests that ./run_all.sh --test runs. Every part runs even if an earlier part fails, and a table at the end shows the results."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from audiosr_lib.base import paths

PYTEST = [sys.executable, "-m", "pytest", "-q"]
AT_ONCE = 4  # the maximum number of processes of pytest, each of which needs one core and some 2 GB
IN_BROWSER = os.path.join("tests", "browser")


@dataclass(frozen=True)
class Part:
    """The result of one part of the tests."""

    name: str
    status: int  # exit status of its process; 0 is success
    closing: str  # last line of its output
    seconds: float = 0.0


def run_part(name: str, command: list[str], environment: dict[str, str]) -> Part:
    """Return the result of a command; print its output meanwhile."""
    print(f"--- {name}", flush=True)
    started, closing = time.perf_counter(), ""
    with subprocess.Popen(
        command, cwd=paths.REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            closing = line.strip() or closing
    return Part(name, process.returncode, closing, time.perf_counter() - started)


def run_suite() -> int:
    """Run pytest, the smoke profile, the browser tests on its report and nbval on its notebooks; return 0 if all pass, otherwise 1.

    nbval runs the notebooks a second time and compares the outputs with those of the smoke run. All parts compute in one thread, because
    the number of threads changes the rounding of sums, which a training amplifies.
    """
    from audiosr_lib.teaching.interactive import STATIC

    home = paths.REPOSITORY / "build" / "test"
    shutil.rmtree(home, ignore_errors=True)
    record = home / "figures" / "smoke"
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    environment = one_thread | {"AUDIOSR_HOME": str(home), STATIC: "1", "AUDIOSR_REPORT": str(record / "report")}
    smoke = [sys.executable, "-m", "audiosr_lib.study.runner", "--profile", "smoke", "--device", "cpu"]
    at_once = str(min(os.cpu_count() or 1, AT_ONCE))
    parts = [
        run_part("pytest", [*PYTEST, "-n", at_once, "tests", "--ignore", IN_BROWSER], one_thread),
        run_part("smoke run", smoke, environment),
        run_part("browser tests", [*PYTEST, "-rs", IN_BROWSER], environment),
    ]
    notebooks = sorted(str(p) for p in (record / "notebooks").glob("*.ipynb"))
    if notebooks:
        sanitize = str(paths.REPOSITORY / "tests" / "nbval_sanitize.cfg")
        nbval = [*PYTEST, "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", "--nbval-sanitize-with", sanitize]
        nbval += ["-n", at_once, "--dist", "loadfile", *notebooks]  # a notebook has one kernel
        parts.append(run_part("notebooks", nbval, environment))
    else:
        parts.append(Part("notebooks", 1, "not run: the smoke run has made no record"))
    print()
    for part in parts:
        print(f"{part.name:<15}{'passed' if part.status == 0 else 'FAILED':<8}{part.seconds:6.0f} s  {part.closing}")
    return int(any(part.status for part in parts))


if __name__ == "__main__":
    sys.exit(run_suite())
