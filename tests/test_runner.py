"""The command line: refuses early and clearly, runs in order, stops with name, cell and log, and goes on."""

import dataclasses
import os
import shutil
import subprocess
import sys

import pytest
from helpers import write_chapter, write_notebook

from audiosr_lib.base import checkpoints, device, files, paths, profiles
from audiosr_lib.data import corpora, preparation
from audiosr_lib.study import execution, pages, record, report, runner
from audiosr_lib.training import checkpoint


def script(*arguments, **environment):
    return subprocess.run(
        ["bash", str(paths.REPOSITORY / "run_all.sh"), *arguments], capture_output=True, text=True, env=os.environ | environment
    )


@pytest.fixture
def copy(tmp_path):
    """A copy of the project in tmp_path/project whose help says that it is the copy; returns a function that calls a command there."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("run_all.sh", "requirements.txt", "pyproject.toml"):
        shutil.copy(paths.REPOSITORY / name, project)
    for name in ("audiosr_lib", "notebooks", "data"):
        shutil.copytree(paths.REPOSITORY / name, project / name, ignore=shutil.ignore_patterns("raw", "prepared", "weights", "__pycache__"))
    file = project / "audiosr_lib" / "study" / "runner.py"
    file.write_text(file.read_text().replace("Run the audio super-resolution study", "The copy"))
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "AUDIOSR_HOME")}

    def call(*words, **more):
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment | more)

    return call


def test_the_light_network_is_trained_alone_and_in_full():
    """Without a profile, its training is that of overnight; it goes without a notebook."""
    options = runner.parse(["--network", "light", "--corpus", "vctk"])
    assert (options.profile, options.corpus) == ("overnight", "vctk")
    assert runner.parse(["--network", "light"]).corpus == profiles.get("overnight").light.corpus
    assert (runner.parse([]).profile, runner.parse([]).corpus) == ("quick", profiles.get("quick").corpus)
    with pytest.raises(SystemExit):
        runner.parse(["--network", "light", "--only", "08"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "big"], "'smoke', 'quick', 'overnight', 'coursework'"),
        (["--device", "tpu"], "'auto', 'cpu', 'cuda'"),
        (["--corpus", "no-such-folder"], "neither an existing folder nor one of ravdess, alnum, tuxpaint, vctk"),
        (
            ["--corpus", "klettres"],
            "'klettres' is for testing only, not for training: choose ravdess, alnum, tuxpaint, vctk, synthetic or a folder",
        ),
        (["--seed", "-1"], "'-1' is not a whole number from 0 to 4294967295"),
        (["--seed", "4294967296"], "not a whole number from 0 to"),
        (["--seed", "99999999999999999999999"], "not a whole number from 0 to"),
        (["--seed", "\N{SUPERSCRIPT TWO}"], "not a whole number from 0 to"),
        (["--seed", "1_000"], "not a whole number from 0 to"),
        (["--only", "99"], "'02'"),
        (["--from", "02", "--only", "03"], "--only: not allowed with argument --from"),
        (["--minutes", "0"], "--minutes: '0' is not a positive number of minutes"),
        (["--minutes", "soon"], "'soon' is not a positive number"),
        (["--minutes", "nan"], "'nan' is not a positive number"),
        (["--minutes", "inf"], "'inf' is not a positive number"),
        (["--minutes", "5", "--from", "02"], "--from: not allowed with argument --minutes"),
        (["--forget", ""], "--forget: an empty name"),
        (["--corpus", "~no-such-user/x"], "neither an existing folder"),
        (["--corpus", 300 * "x"], "neither an existing folder"),
        (["--minutes", "1_0"], "'1_0' is not a positive number"),
        (["--minutes", "."], "'.' is not a positive number"),
        (["--forget", "--lab"], "--lab: not allowed with argument --forget"),
        (["--test", "--profile", "smoke"], "--lab and --test go without --profile smoke"),
        (["--lab", "--seed", "1"], "--lab and --test go without --seed 1"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["--prof", "smoke"], "unrecognized arguments"),
    ],
)
def test_wrong_options_are_refused_with_the_allowed_ones(arguments, said, capsys):
    with pytest.raises(SystemExit) as end:
        runner.parse(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_the_script_refuses_before_it_installs_anything(copy, tmp_path):
    """In a copy without an environment, a wrong option ends at once and leaves no .venv."""
    done = copy("bash", "project/run_all.sh", "--profile", "big")
    assert done.returncode == 2
    assert "'smoke', 'quick', 'overnight', 'coursework'" in done.stderr
    assert not (tmp_path / "project" / ".venv").exists()


def test_help_names_every_option():
    done = script("--help")
    assert done.returncode == 0
    for option in (
        "--profile",
        "--corpus",
        "--device",
        "--from",
        "--only",
        "--seed",
        "--minutes",
        "--forget",
        "--debug",
        "--lab",
        "--test",
    ):
        assert option in done.stdout


def test_cuda_without_a_gpu_says_so_at_once(monkeypatch, capsys):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.device_for("auto") == "cpu"
    with pytest.raises(device.NoGPU, match="--device cuda"):
        device.device_for("cuda")
    assert runner.main(["--profile", "smoke", "--device", "cuda"]) == 1
    assert "Use --device cpu, or auto" in capsys.readouterr().err


# --- with notebooks of our own ---------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    """Notebooks of our own make none of the tables that a report shows."""
    monkeypatch.setattr(report, "build", lambda folder: folder / "report" / "index.html")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of two notebooks that open a run; returns a function that runs the command with arguments."""
    notebooks = [
        write_chapter(tmp_path, "02_one", "print(profile, seed)"),
        write_chapter(tmp_path, "03_two", "import os", "assert os.path.exists('" + str(tmp_path / "flag") + "'), 'no flag'"),
    ]
    monkeypatch.setattr(paths, "notebooks", lambda: notebooks)
    return lambda *arguments: runner.main(["--profile", "smoke", "--device", "cpu", *arguments])


def test_failure_names_notebook_cell_error_and_log_and_from_goes_on(study, tmp_path, capsys):
    assert study() == 1
    told = capsys.readouterr().err
    for part in (
        "03_two.ipynb failed",
        "assert os.path.exists",
        "AssertionError: no flag",
        "build/smoke/logs/03_two.log",
        "./run_all.sh --profile smoke --device cpu --from 03",
    ):
        assert part in told
    assert (paths.build("smoke") / "logs" / "03_two.log").exists()
    assert not paths.figures("smoke").exists()  # nothing half-made is published

    (tmp_path / "flag").touch()
    assert study("--from", "03") == 0
    said = capsys.readouterr().out
    assert "02_one" not in said.partition("notebook  ")[0]
    assert record.verify(paths.figures("smoke")) == []
    executed = (paths.figures("smoke") / "notebooks" / "02_one.ipynb").read_text()
    assert "smoke 0" in executed


def test_a_profile_can_begin_at_a_later_notebook(study, tmp_path, monkeypatch, capsys):
    """Its record holds the notebooks from there on, and an earlier one still runs when it is named."""
    monkeypatch.setitem(profiles.PROFILES, "smoke", dataclasses.replace(profiles.get("smoke"), first="03"))
    (tmp_path / "flag").touch()
    assert study() == 0
    assert list(files.read_json(paths.figures("smoke") / "manifest.json")["notebooks"]) == ["notebooks/03_two.ipynb"]
    assert record.verify(paths.figures("smoke")) == []
    assert study("--only", "02") == 0 and study("--from", "02") == 0
    assert "02_one" in capsys.readouterr().out.rpartition("notebook  ")[2]


def test_a_report_that_cannot_be_made_leaves_the_record(study, tmp_path, monkeypatch, capsys):
    (tmp_path / "flag").touch()
    assert study() == 0
    assert "The report, for any browser: figures/smoke/report/index.html" in capsys.readouterr().out

    def fails(folder):
        raise pages.ReportError("MathJax is not installed")

    monkeypatch.setattr(report, "build", fails)
    assert study() == 1
    said = capsys.readouterr()
    assert "MathJax is not installed" in said.err and "notebook  " in said.out
    assert record.verify(paths.figures("smoke")) == []


def test_light_chapters_run_side_by_side_and_the_rest_alone(tmp_path, monkeypatch, capsys):
    """02 and 03 wait for each other, so one after the other they would fail; 08 would see a neighbour that has not ended."""
    meet = (
        "import pathlib, time\nhere = pathlib.Path({here!r})\n(here / {mine!r}).touch()\nend = time.monotonic() + 60\n"
        "while not (here / {other!r}).exists():\n    assert time.monotonic() < end, 'alone'\n    time.sleep(0.1)\n"
        "time.sleep({more})\n(here / ({mine!r} + '-ended')).touch()"
    )
    here = str(tmp_path)
    notebooks = [
        write_chapter(tmp_path, "02_a", meet.format(here=here, mine="a", other="b", more=2)),
        write_chapter(tmp_path, "03_b", meet.format(here=here, mine="b", other="a", more=0)),
        write_chapter(
            tmp_path,
            "08_c",
            f"import os\nassert os.path.exists({here!r} + '/a-ended') and os.path.exists({here!r} + '/b-ended')",
        ),
    ]
    monkeypatch.setattr(paths, "notebooks", lambda: notebooks)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    status = runner.main(["--profile", "smoke", "--device", "cpu"])
    assert status == 0, capsys.readouterr().err
    assert list(record.files.read_json(paths.figures("smoke") / "manifest.json")["seconds"]) == ["02_a", "03_b", "08_c"]


# --- corpora that are only tested on ---------------------------------------------------------------


def test_unseen_corpora_are_known_and_never_the_run_s_own():
    for profile in profiles.PROFILES.values():
        others = profile.unseen + profile.if_here
        assert profile.corpus not in others and len(set(others)) == len(others) and set(others) <= set(corpora.entries())
    assert profiles.get("smoke").beside("synthetic") == ()
    assert profiles.get("quick").beside("tuxpaint") == ("ravdess", "alnum", "klettres", "ktuberling")
    assert profiles.get("coursework").beside("ravdess+tuxpaint") == ("alnum", "klettres", "ktuberling")


@pytest.fixture
def unseen(tmp_path, monkeypatch):
    """A study of notebooks 02 and 11 whose smoke profile tests on two more corpora; returns the names that were asked for."""
    asked = []

    def make_ready(corpus):
        asked.append(corpus.name)
        if corpus.name == "klettres":
            raise corpora.CorpusError("Ways to train.\n\nWhat was tried\nfor it: no apt-get.")
        return prepared_as_ever(corpus)

    prepared_as_ever = preparation.make_ready
    notebooks = [write_chapter(tmp_path, name) for name in ("02_one", "11_two")]
    monkeypatch.setattr(paths, "notebooks", lambda: notebooks)
    monkeypatch.setattr(preparation, "make_ready", make_ready)
    smoke = dataclasses.replace(profiles.get("smoke"), unseen=("klettres", "synthetic"))
    monkeypatch.setitem(profiles.PROFILES, "smoke", smoke)
    return asked


def test_the_run_goes_on_when_an_unseen_corpus_cannot_be_had(unseen, capsys):
    assert runner.main(["--profile", "smoke", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "Corpus klettres: not available, so notebooks 10 and 11 leave it out. What was tried for it: no apt-get.\n" in said
    assert unseen == ["synthetic", "klettres"]  # the run's own corpus first, and not again
    assert "11_two" in said and "The record: " in said


def test_unseen_corpora_are_fetched_for_notebooks_10_and_11_alone(unseen):
    assert runner.main(["--profile", "smoke", "--device", "cpu", "--only", "02"]) == 0
    assert unseen == ["synthetic"]


def test_only_does_not_publish_a_part(study, capsys):
    assert study("--only", "02") == 0
    assert "Not published: 03_two has not run yet" in capsys.readouterr().out
    assert not paths.figures("smoke").exists()


def test_a_notebook_that_failed_again_is_not_published(study, tmp_path, capsys):
    (tmp_path / "flag").touch()
    assert study() == 0
    before = (paths.figures("smoke") / "manifest.json").read_bytes()
    (tmp_path / "flag").unlink()
    assert study("--only", "03") == 1
    assert (paths.staging("smoke") / "notebooks" / "03_two.ipynb").exists()  # of the earlier run, and still there to read
    assert study("--only", "02") == 0
    assert "Not published: 03_two has not run yet" in capsys.readouterr().out
    assert (paths.figures("smoke") / "manifest.json").read_bytes() == before


def test_a_record_holds_no_notebook_of_an_earlier_run(tmp_path, monkeypatch, capsys):
    """A whole run that fails at 02, and then 02 alone: 08 is of the run before."""
    flag = tmp_path / "flag"
    notebooks = [
        write_chapter(tmp_path, "02_one", f"open({str(flag)!r})"),
        write_chapter(tmp_path, "08_two"),
    ]
    monkeypatch.setattr(paths, "notebooks", lambda: notebooks)
    options = ["--profile", "smoke", "--device", "cpu"]
    flag.touch()
    assert runner.main(options) == 0
    flag.unlink()
    assert runner.main(options) == 1
    flag.touch()
    assert runner.main([*options, "--only", "02"]) == 0
    assert "Not published: 08_two has not run yet" in capsys.readouterr().out


def test_parts_with_other_seeds_are_not_mixed(study, tmp_path, capsys):
    (tmp_path / "flag").touch()
    assert study("--seed", "1") == 0
    assert study("--only", "02", "--seed", "2") == 0
    assert "other parameters" in capsys.readouterr().out
    assert '"seed": 1' in (paths.figures("smoke") / "manifest.json").read_text()


def test_undeclared_parameter_is_refused_before_anything_runs(tmp_path, monkeypatch, capsys):
    notebook = write_notebook(
        tmp_path, "02_one", "open('ran', 'w')", parameters='profile = "quick"\ncorpus = ""\nseeed = 0\ndevice = "auto"'
    )
    monkeypatch.setattr(paths, "notebooks", lambda: [notebook])
    assert runner.main(["--profile", "smoke"]) == 1
    assert "declares no parameter seed" in capsys.readouterr().err
    assert not (paths.build("smoke") / "logs").exists()


def test_dead_kernel_is_told(tmp_path, monkeypatch, capsys):
    notebook = write_notebook(tmp_path, "02_one", "import os\nos._exit(1)")
    monkeypatch.setattr(paths, "notebooks", lambda: [notebook])
    assert runner.main(["--profile", "smoke", "--device", "cpu"]) == 1
    told = capsys.readouterr().err
    assert "02_one.ipynb could not be run" in told and "--from 02" in told


def test_a_kernel_that_dies_at_its_start_is_started_again(tmp_path, monkeypatch):
    """Two kernels that start side by side can pick the same port."""
    import papermill

    notebook, calls, really = write_notebook(tmp_path, "02_one", "print(1)"), [], papermill.execute_notebook

    def collides(*arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return really(*arguments, **options)

    monkeypatch.setattr(papermill, "execute_notebook", collides)
    execution.execute(notebook, tmp_path / "out.ipynb", {}, tmp_path / "02.log")
    assert len(calls) == 2 and (tmp_path / "out.ipynb").exists()


def test_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "audiosr_lib.study.runner", "--check"], cwd=paths.REPOSITORY, capture_output=True)
    assert done.returncode == 0


# --- training in pieces ----------------------------------------------------------------------------------


@pytest.fixture
def small_steps(monkeypatch):
    """A smoke profile of three short steps."""
    monkeypatch.setitem(profiles.PROFILES, "smoke", dataclasses.replace(profiles.get("smoke"), steps=3, crop_seconds=0.1))


def test_minutes_train_a_piece_and_every_training_stays(study, small_steps, tmp_path, capsys):
    """Another seed trains beside the first. The first is found again, by a piece and by a run from the top."""
    assert study("--minutes", "0.0001") == 0
    said = capsys.readouterr().out
    assert "Step 1 of 3" in said
    assert "Not finished. To continue: AUDIOSR_HOME=" in said and " ./run_all.sh --profile smoke --device cpu --minutes 0.0001" in said
    assert study("--minutes", "5") == 0
    assert "Training is finished. The study takes it: AUDIOSR_HOME=" in capsys.readouterr().out
    (first,) = checkpoints.trainings("smoke")
    trained = (first / "last.pt").read_bytes()
    assert study("--minutes", "0.0001", "--seed", "5") == 0
    assert "Step 1 of 3" in capsys.readouterr().out
    second, again = checkpoints.trainings("smoke")
    assert again == first and "-seed5-" in second.name
    assert checkpoints.network("smoke").parent == first  # the second has not been validated yet
    assert study("--minutes", "5", "--seed", "5") == 0
    assert checkpoints.network("smoke").parent == second
    (tmp_path / "flag").touch()
    assert study() == 0
    assert study("--minutes", "5") == 0
    assert "Step 3 of 3" in capsys.readouterr().out
    assert (first / "last.pt").read_bytes() == trained and checkpoints.network("smoke").parent == first


def test_only_forget_deletes_a_training(study, small_steps, monkeypatch, capsys):
    assert study("--minutes", "5") == 0 and study("--minutes", "0.0001", "--seed", "5") == 0
    second, first = checkpoints.trainings("smoke")
    capsys.readouterr()
    assert study("--forget", "no-such-training") == 1
    said = capsys.readouterr().err
    assert "There is no training no-such-training" in said and f"{first.name}: step 3 of 3" in said and second.name in said
    with files.only_one(first / "lock", "x"):
        assert study("--forget") == 1  # it runs
    assert "Another run works in" in capsys.readouterr().err and (first / "last.pt").exists()
    saved = (second / "last.json").read_text()
    for damage in ("", "{}", "[]"):
        (second / "last.json").write_text(damage)
        assert study("--forget", "no-such-training") == 1
        assert f"{second.name}: damaged" in capsys.readouterr().err
    (second / "last.json").write_text(saved)
    assert study("--forget") == 0
    said = capsys.readouterr().out
    assert f"Deleted the training {first.name}." in said and f"{second.name}: step 1 of 3" in said
    assert checkpoints.trainings("smoke") == [second] and not first.exists()
    with monkeypatch.context() as m:
        m.setattr(checkpoint.shutil, "rmtree", lambda *_, **__: None)  # as if interrupted there
        assert study("--forget", second.name) == 0
    assert checkpoints.trainings("smoke") == [] and not second.exists()
    second.parent.with_name(f"{second.name}.forgotten").rename(second)
    assert study("--forget", second.name) == 0
    assert checkpoints.trainings("smoke") == []
    assert not any(paths.build("smoke").rglob("*.pt"))


# --- one run at a time, in the folder that the user means -------------------------------------------------


def test_a_second_run_is_told_at_once(study, capsys):
    with files.only_one(paths.home() / "build" / "lock", "this folder"):
        assert study() == 1
    said = capsys.readouterr().err
    assert f"Another run works in this folder: process {os.getpid()}, started 20" in said and "AUDIOSR_HOME" in said


def test_the_lock_of_a_killed_run_stops_nobody(study, tmp_path):
    lock = paths.home() / "build" / "lock"
    hold = "import sys, time\nfrom pathlib import Path\nfrom audiosr_lib.base import files\n"
    hold += "with files.only_one(Path(sys.argv[1]), 'x'):\n    print('held', flush=True)\n    time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(files.Busy), files.only_one(lock, "x"):
            pass
        holder.kill()
        holder.wait()
    assert lock.read_text().startswith("process ")  # left over
    (tmp_path / "flag").touch()
    assert study() == 0


def test_a_folder_that_cannot_be_written_is_named_before_anything_starts(study, home, capsys):
    (home / "figures").write_text("a file where a folder should be")
    assert study() == 1
    said = capsys.readouterr().err
    assert "figures: " in said and "file exists" in said and "Traceback" not in said
    assert not (paths.build("smoke") / "record").exists()


def test_the_script_finds_its_folder_through_links_and_in_spite_of_cdpath(copy, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "study").symlink_to("../project/run_all.sh")
    (tmp_path / "link").symlink_to(tmp_path / "bin" / "study")
    (tmp_path / "elsewhere" / "project").mkdir(parents=True)
    for command in ("./link", "bin/study", "project/run_all.sh"):
        done = copy("bash", command, "--help", CDPATH=str(tmp_path / "elsewhere"))
        assert "The copy" in done.stdout and not done.returncode, done.stderr
        assert str(tmp_path) not in done.stdout  # what cd prints


def test_relative_paths_begin_where_the_user_stands(copy, tmp_path, recordings):
    (tmp_path / "voices").symlink_to(recordings)
    for corpus, known in (("voices", True), ("nowhere", False), ("audiosr_lib", False)):
        done = copy("bash", "project/run_all.sh", "--corpus", corpus, "--seed", "-1")  # a wrong option, so that nothing is installed
        assert done.returncode == 2 and ("neither an existing folder" in done.stderr) != known, done.stderr


def test_the_command_is_repeated_as_the_user_called_it(monkeypatch):
    monkeypatch.delenv("AUDIOSR_HOME")
    usual = {"profile": "quick", "corpus": "tuxpaint", "seed": 0, "device": "auto"}
    assert execution.again(usual) == "./run_all.sh"
    monkeypatch.setenv("AUDIOSR_HOME", "/a disk")
    assert execution.again(usual) == "AUDIOSR_HOME='/a disk' ./run_all.sh"
    monkeypatch.delenv("AUDIOSR_HOME")
    monkeypatch.setenv(execution.COMMAND, "../study/run_all.sh")
    other = usual | {"profile": "smoke", "corpus": "/my recordings", "seed": 7}
    assert execution.again(other, "--from", "08") == "../study/run_all.sh --profile smoke --corpus '/my recordings' --seed 7 --from 08"


def test_further_corpora_are_fetched_or_only_used_where_they_are(monkeypatch, home, capsys):
    asked = []

    def prepare(name):
        asked.append(name)
        if name == "klettres":
            raise corpora.CorpusError("What was tried\n\nno network")

    monkeypatch.setattr(runner, "prepare_corpus", prepare)
    paths.raw("alnum").mkdir(parents=True)
    chosen = dataclasses.replace(profiles.get("quick"), unseen=("klettres", "ktuberling"), if_here=("ravdess", "alnum"))
    runner.prepare_unseen(chosen, "tuxpaint+ktuberling")
    said = capsys.readouterr().out
    assert asked == ["alnum", "klettres"]  # ravdess is not here, ktuberling is a part of the run's own corpus
    assert "Corpus ravdess: not on this machine, and this profile does not fetch it." in said
    assert "To test on it, too: ./run_all.sh --corpus ravdess --only 07" in said
    assert "Corpus klettres: not available, so notebooks 10 and 11 leave it out. no network" in said


def test_an_executed_notebook_names_no_folder_outside_the_project(tmp_path):
    notebook = write_notebook(tmp_path, "02_one", "1 + 1")
    execution.execute(notebook, tmp_path / "out.ipynb", {}, tmp_path / "logs" / "02.log")
    executed = files.read_json(tmp_path / "out.ipynb")
    assert executed["metadata"]["papermill"]["output_path"] == "02.ipynb" and executed["cells"][-1]["outputs"]
