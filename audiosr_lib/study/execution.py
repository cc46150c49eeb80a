"""Running notebooks with papermill: in order, with progress, and with a failure that names notebook, cell and log."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from audiosr_lib.base import files, paths
from audiosr_lib.base.errors import StudyError

FIRST_ALONE = "08"  # the training: from here on a notebook reads what the last one wrote, uses every core, or times things
AT_ONCE = 4  # notebooks before it, at most; each takes a core and about half a GiB
CLEAR = "\r" + " " * 100 + "\r" if sys.stdout.isatty() else ""


class Failure(StudyError):
    """A step of a run that did not succeed."""


def check_parameters(notebooks: list[Path], parameters: dict) -> None:
    """Raise Failure, before anything runs, if a notebook does not declare a parameter: papermill would only warn."""
    import papermill

    for notebook in notebooks:
        if unknown := set(parameters) - set(papermill.inspect_notebook(str(notebook))):
            raise Failure(f"{notebook.name} declares no parameter {', '.join(sorted(unknown))} in its cell tagged 'parameters'.")


def execute(notebook: Path, output: Path, parameters: dict, log: Path) -> None:
    """Run one notebook. It is written beside the log and becomes `output` only when it ran through.

    Raises
    ------
    Failure : a cell failed or the notebook could not be run; the message has its name, the source of the cell, the error and the log.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    running = log.with_suffix(".ipynb")

    def run() -> None:
        papermill.execute_notebook(
            os.path.relpath(notebook), os.path.relpath(running), parameters=parameters, kernel_name="python3",
            progress_bar=False, request_save_on_cell_execute=False, cwd=str(paths.REPOSITORY),
        )  # fmt: skip

    try:
        try:
            run()
        except RuntimeError as error:  # two kernels that start at once can pick the same port; then one dies before its first cell
            if "before replying to kernel_info" not in str(error):
                raise
            run()
    except PapermillExecutionError as error:
        log.write_text("\n".join(error.traceback), encoding="utf-8")
        source = "\n".join(f"    {line}" for line in error.source.splitlines())
        raise Failure(
            f"{notebook.name} failed in code cell {error.exec_count}:\n\n{source}\n\n{error.ename}: {error.evalue}\n\n"
            f"Traceback: {paths.shown(log)}\nNotebook up to the failure: {paths.shown(running)}\n"
            f"After mending it, go on with --from {notebook.name[:2]}"
        ) from None
    except Exception as error:  # a kernel that died, a file that cannot be written
        log.write_text(f"{type(error).__name__}: {error}\n", encoding="utf-8")
        raise Failure(
            f"{notebook.name} could not be run: {type(error).__name__}: {error}\n"
            f"If the kernel died, the machine may have run out of memory.\nLog: {paths.shown(log)}\nGo on with --from {notebook.name[:2]}"
        ) from error
    running.replace(output)


@contextmanager
def as_by_command() -> Iterator[None]:
    """Let notebooks write into the record and draw grids in place of sliders; papermill then notes relative paths, too."""
    from audiosr_lib.study.record import BY_COMMAND
    from audiosr_lib.teaching.interactive import STATIC

    here, before = os.getcwd(), dict(os.environ)
    os.chdir(paths.REPOSITORY)
    os.environ |= {BY_COMMAND: "1", STATIC: "1"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(here)


@contextmanager
def shown_progress(label: str, file: Path) -> Iterator[None]:
    """Print what a notebook writes to the profile's progress file: in place on a terminal, else once a minute."""
    file.unlink(missing_ok=True)
    done = threading.Event()
    terminal = bool(CLEAR)
    started = time.perf_counter()

    def watch() -> None:
        last, at = "", started
        while not done.wait(1.0):
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            now = time.perf_counter()
            if terminal:
                print(f"\r{label} {now - started:5.0f} s  {text:<60}", end="", flush=True)
            elif text != last and now - at >= 60:
                print(f"{label} {now - started:5.0f} s  {text}", flush=True)
                last, at = text, now

    if not terminal:
        print(f"{label} ...", flush=True)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        file.unlink(missing_ok=True)
        print(CLEAR, end="", flush=True)


def run_notebooks(notebooks: list[Path], profile: str, parameters: dict) -> dict[str, float]:
    """Execute notebooks in order and return the seconds of each by name, those of earlier pieces of the same run included.

    The chapters before the training need one core each and read nothing of each other: they run side by side. The first Failure
    ends the run, after the notebooks that had started.
    """
    times_file = paths.build(profile) / "seconds.json"
    progress_file = paths.build(profile) / "progress"
    times = files.read_json(times_file) if times_file.exists() else {}
    ended = threading.Lock()

    def run_one(notebook: Path) -> None:
        started = time.perf_counter()
        output = paths.staging(profile) / "notebooks" / notebook.name
        execute(notebook, output, parameters, paths.build(profile) / "logs" / f"{notebook.stem}.log")
        with ended:
            times[notebook.stem] = time.perf_counter() - started
            files.write_json(times_file, times)
            print(f"{CLEAR}[{place[notebook]}/{len(notebooks)}] {notebook.stem}  {times[notebook.stem]:.1f} s", flush=True)

    place = {notebook: i for i, notebook in enumerate(notebooks, 1)}
    light = [n for n in notebooks if n.name[:2] < FIRST_ALONE]
    with as_by_command():
        if light:
            at_once = min(os.cpu_count() or 1, AT_ONCE, len(light))
            with shown_progress(f"{len(light)} notebooks, {at_once} at a time", progress_file), ThreadPoolExecutor(at_once) as pool:
                jobs = [pool.submit(run_one, n) for n in light]
                try:
                    for job in as_completed(jobs):
                        job.result()
                finally:
                    pool.shutdown(cancel_futures=True)
        for notebook in notebooks[len(light) :]:
            with shown_progress(f"[{place[notebook]}/{len(notebooks)}] {notebook.stem}", progress_file):
                run_one(notebook)
    return times
