"""Errors become messages in one place: what happened, to which file, what to do. Ctrl-C ends in one line."""

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import psutil
import pytest
import soundfile as sf
import torch

from audiosr_lib.base import files, paths
from audiosr_lib.base.errors import REMEDIES, NotPrepared, StudyError, StudyWarning, explained, run_command


def raised(work):
    with pytest.raises(Exception) as caught:
        work()
    return caught.value


@pytest.mark.parametrize("number", REMEDIES)
def test_an_error_of_the_system_names_the_file_and_the_remedy(number):
    said = explained(OSError(number, os.strerror(number), "/somewhere/file.wav"))
    assert said.startswith("/somewhere/file.wav: ") and said.endswith(".") and len(said.split(". ")) >= 2


def test_other_errors_are_explained_too(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "a.wav").write_text("no sound")
    assert explained(NotPrepared("Run this first.")) == "Run this first."
    assert "a.json is damaged" in explained(raised(lambda: files.read_json(tmp_path / "a.json")))
    assert "is a folder" in explained(raised(lambda: tmp_path.read_bytes()))
    assert "does not exist" in explained(raised(lambda: (tmp_path / "b").read_bytes()))
    assert "not valid UTF-8" in explained(raised(lambda: b"\xff".decode()))
    assert "read-only disk" in explained(OSError(errno.EROFS, "x"))
    assert "memory of the GPU is too small" in explained(torch.OutOfMemoryError("CUDA out of memory.\nDetails"))
    assert "memory of this machine" in explained(MemoryError())
    assert "memory of this machine" in explained(raised(lambda: torch.empty(10**15)))
    assert "a.wav" in (said := explained(raised(lambda: sf.info(tmp_path / "a.wav")))) and "Convert the sound file" in said
    assert "No module named 'no_such'. Run ./run_all.sh once" in explained(raised(lambda: importlib.import_module("no_such")))
    assert "use --device cpu" in explained(RuntimeError("CUDA error: device-side assert triggered\nDetails"))
    for work in (lambda: torch.zeros(2) + torch.zeros(3), lambda: json.loads("{")):
        said = explained(raised(work))
        assert said.startswith("Unexpected error in ") and "Start again with --debug" in said and "\n" not in said


def test_a_name_that_is_not_utf_8_can_be_printed():
    assert explained(OSError(errno.ENOENT, "x", os.fsdecode(b"/a/\xff.wav"))).startswith("/a/\\xff.wav: it does not exist")


def fails():
    raise OSError(errno.ENOSPC, "No space left on device", "figures/a.png")


def test_a_command_returns_its_status_and_prints_one_message(capsys):
    assert run_command(lambda: 0) == 0 and run_command(lambda: 3) == 3
    assert run_command(fails) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("figures/a.png: the disk is full. Free some space") and "Traceback" not in said
    with pytest.raises(OSError, match="No space"):
        run_command(fails, debug=True)


@pytest.mark.parametrize("end", ["| head -c 1", "> /dev/full", ">&-"])
def test_output_that_nobody_takes_is_no_traceback(end):
    code = "from audiosr_lib.base.errors import run_command; run_command(lambda: print('x' * 10**6), kept=lambda: 'Kept: all.')"
    environment = os.environ | {"PYTHONPATH": str(paths.REPOSITORY)}
    done = subprocess.run(["bash", "-c", f'"$0" -c "$1" {end}', sys.executable, code], capture_output=True, text=True, env=environment)
    assert "Traceback" not in done.stderr
    if "head" in end:
        assert "The reader of the output has gone, so the command stops. Kept: all." in done.stderr


def test_a_working_folder_that_is_deleted_is_no_hindrance(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert explained(OSError(errno.ENOSPC, "x", "/a/b")).startswith("/a/b: the disk is full")


def test_a_home_of_an_unknown_user_is_told(monkeypatch):
    monkeypatch.setenv("AUDIOSR_HOME", "~no-such-user/x")
    with pytest.raises(StudyError, match=r"AUDIOSR_HOME is '~no-such-user/x'.* Give the path of a folder"):
        paths.home()


@pytest.mark.parametrize("content", ["[]", "{}", '{"a": 1}', "\0"])
def test_json_that_lacks_what_is_needed_is_damaged(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(files.DamagedFile, match=r"a.json is damaged .*: delete it and start again"):
        files.read_json(tmp_path / "a.json", "b")


def test_a_warning_for_the_user_is_one_line_and_others_are_not_shown(capsys):
    def warns():
        warnings.warn("The file has no end.", StudyWarning, stacklevel=1)
        warnings.warn("of a library", UserWarning, stacklevel=1)
        return 0

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run_command(warns) == 0
    assert capsys.readouterr().err == "Note: The file has no end.\n"


def test_ctrl_c_where_nothing_is_kept_is_one_line(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert run_command(interrupted, kept=lambda: "Kept: all.") == 130
    assert capsys.readouterr().err == "\nInterrupted. Kept: all.\n"
    assert run_command(interrupted, kept=fails) == 130  # what is kept cannot be read just now
    assert capsys.readouterr().err == "\nInterrupted.\n"


STUCK = """
import subprocess, sys, threading, time
from audiosr_lib.base.errors import run_command

def work():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    {thread}
    print(child.pid, flush=True)
    try:
        time.sleep(100)
    finally:
        {ending}

sys.exit(run_command(work, kept=lambda: "Kept: all."))
"""


@pytest.mark.parametrize("thread", ["pass", "threading.Thread(target=time.sleep, args=(100,)).start()"], ids=["alone", "a thread works"])
@pytest.mark.parametrize("ending", ["pass", "time.sleep(100)"], ids=["ends", "does not end"])
def test_ctrl_c_ends_soon_although_threads_and_processes_still_work(ending, thread):
    environment = os.environ | {"PYTHONPATH": str(paths.REPOSITORY)}
    command = [sys.executable, "-c", STUCK.format(ending=ending, thread=thread)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        child = int(process.stdout.readline())
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        took = time.monotonic() - started
    assert process.returncode == 130 and said == "\nInterrupted. Kept: all.\n"
    assert took < 20, "it waited for the thread, which sleeps for 100 s"
    ended = psutil.wait_procs([psutil.Process(child)], timeout=10)[1] if psutil.pid_exists(child) else []
    assert all(p.status() == psutil.STATUS_ZOMBIE for p in ended)  # a container's first process may not remove it
