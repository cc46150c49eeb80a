"""Run notebooks with papermill in order, show their progress, and report a failure with notebook, cell and log."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import chdir, contextmanager
from pathlib import Path

from audiosr_lib.base import files, paths, profiles
from audiosr_lib.base.errors import StudyError

COMMAND = "AUDIOSR_COMMAND"  # environment variable: run_all.sh as the user called it
FIRST_ALONE = "08"  # the training; this notebook and the later ones read earlier results, use every core, or measure times
AT_ONCE = 4  # the maximum number of earlier notebooks that run at once; each needs one core and about 0.5 GiB
CLEAR = "\r" + " " * 100 + "\r" if sys.stdout and sys.stdout.isatty() else ""


class Failure(StudyError):
    """A failed step of a run."""


def again(parameters: dict, *more: str) -> str:
    """Return the command of a run with these parameters and further options, as the user calls it."""
    command, usual = os.environ.get(COMMAND, "./run_all.sh"), {"profile": "quick", "seed": 0, "device": "auto"}
    usual["corpus"] = profiles.get(parameters["profile"]).corpus
    chosen = [word for name, value in parameters.items() if value != usual[name] for word in (f"--{name}", shlex.quote(str(value)))]
    home = [f"AUDIOSR_HOME={shlex.quote(str(paths.home()))}"] if os.environ.get("AUDIOSR_HOME") else []
    return " ".join([*home, command, *chosen, *more])


def check_parameters(notebooks: list[Path], parameters: dict) -> None:
    """Raise Failure if a notebook does not declare one of the parameters. (papermill itself would only print a warning.)"""
    import papermill

    for notebook in notebooks:
        if unknown := set(parameters) - set(papermill.inspect_notebook(str(notebook))):
            names = ", ".join(sorted(unknown))
            raise Failure(f"{notebook.name} declares no parameter {names} in its cell tagged 'parameters': declare it there.")


def execute(notebook: Path, output: Path, parameters: dict, log: Path) -> None:
    """Run one notebook. It is written beside `log` and moved to `output` when every cell has succeeded.

    Failure if a cell fails or the notebook cannot be run; the message has the notebook's name, the cell's source, the error and the log.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    output.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    running = log.with_suffix(".ipynb")
    logging.getLogger("papermill").addHandler(logging.NullHandler())  # what it logs comes as an exception, too

    def run() -> None:
        papermill.execute_notebook(
            os.path.relpath(notebook), os.path.relpath(running), parameters=parameters, kernel_name="python3",
            progress_bar=False, request_save_on_cell_execute=False, cwd=str(paths.REPOSITORY),
        )  # fmt: skip

    try:
        try:
            run()
        except RuntimeError as error:  # two kernels that start at once can choose the same port; then one dies before its first cell
            if "before replying to kernel_info" not in str(error):
                raise
            run()
    except PapermillExecutionError as error:
        log.write_text("\n".join(error.traceback), encoding="utf-8")
        source = "\n".join(f"    {line}" for line in error.source.splitlines())
        raise Failure(
            f"{notebook.name} failed in code cell {error.exec_count}:\n\n{source}\n\n{error.ename}: {error.evalue}\n\n"
            f"Traceback: {paths.shown(log)}\nNotebook up to the failure: {paths.shown(running)}\n"
            f"Correct this, then continue: {again(parameters, '--from', notebook.name[:2])}"
        ) from None
    except Exception as error:  # for example a kernel that died or a file that cannot be written
        log.write_text(f"{type(error).__name__}: {error}\n", encoding="utf-8")
        raise Failure(
            f"{notebook.name} could not be run: {type(error).__name__}: {error}\n"
            "If the kernel died, the memory may be too small: close other programs.\n"
            f"Log: {paths.shown(log)}\nTo continue: {again(parameters, '--from', notebook.name[:2])}"
        ) from error
    executed = nbformat.read(running, as_version=4)
    executed.metadata.papermill["output_path"] = paths.shown(running)  # papermill's own path leads out of the project if AUDIOSR_HOME does
    nbformat.write(executed, running)
    running.replace(output)


@contextmanager
def as_by_command() -> Iterator[None]:
    """Make notebooks write into the record and draw grids instead of sliders, and make papermill note relative paths."""
    from audiosr_lib.study.record import BY_COMMAND
    from audiosr_lib.teaching.interactive import STATIC

    before = dict(os.environ)
    os.environ |= {BY_COMMAND: "1", STATIC: "1"}
    try:
        with chdir(paths.REPOSITORY):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def shown_progress(label: str, file: Path) -> Iterator[None]:
    """Print the content of a progress file while the block runs: in place on a terminal, otherwise once a minute."""
    file.unlink(missing_ok=True)
    done = threading.Event()
    started = time.perf_counter()

    def watch() -> None:
        last_text, last_time = "", started
        while not done.wait(1.0):
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            now = time.perf_counter()
            if CLEAR:
                print(f"\r{label} {now - started:5.0f} s  {text:<60}", end="", flush=True)
            elif text != last_text and now - last_time >= 60:
                print(f"{label} {now - started:5.0f} s  {text}", flush=True)
                last_text, last_time = text, now

    if not CLEAR:
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
    """Run notebooks in order and return the seconds of each by name, including earlier parts of the same run.

    The notebooks before the training do not depend on each other and need one core each, so they run at once. After the first Failure
    no further notebook starts.
    """
    times_file, progress_file = (paths.build(profile) / name for name in ("seconds.json", "progress"))
    times = files.read_json(times_file) if times_file.exists() else {}
    place = {notebook: f"[{i}/{len(notebooks)}] {notebook.stem}" for i, notebook in enumerate(notebooks, 1)}
    lock = threading.Lock()

    def run_one(notebook: Path) -> None:
        started = time.perf_counter()
        with lock:
            times.pop(notebook.stem, None)
            files.write_json(times_file, times)
        output = paths.staging(profile) / "notebooks" / notebook.name
        execute(notebook, output, parameters, paths.build(profile) / "logs" / f"{notebook.stem}.log")
        with lock:
            times[notebook.stem] = time.perf_counter() - started
            files.write_json(times_file, times)
            print(f"{CLEAR}{place[notebook]}  {times[notebook.stem]:.1f} s", flush=True)

    light = [n for n in notebooks if n.name[:2] < FIRST_ALONE]
    at_once = max(1, min(os.cpu_count() or 1, AT_ONCE, len(light)))
    groups = [(f"{len(light)} notebooks, {at_once} at a time", light)] if light else []
    groups += [(place[notebook], [notebook]) for notebook in notebooks[len(light) :]]
    with as_by_command(), ThreadPoolExecutor(at_once) as pool:  # in threads, so that this one receives Ctrl-C
        for label, group in groups:
            with shown_progress(label, progress_file):
                try:
                    for job in as_completed([pool.submit(run_one, n) for n in group]):
                        job.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
    return times
