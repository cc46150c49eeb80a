"""The record of a run: figures, tables and clips, with a manifest that can be checked.

A notebook opens a `Run` with its parameters and saves through it, first to build/<profile>/record with one JSON fragment for each notebook.
After the last notebook, `publish` writes manifest.json and copies the record to figures/<profile>, so that figures/<profile> always comes
from one complete run. A notebook that is run by hand saves to build/<profile>/interactive instead.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from audiosr_lib.base import files, paths, profiles, provenance
from audiosr_lib.base.device import DEVICES, device_for
from audiosr_lib.base.errors import StudyError
from audiosr_lib.base.kernel import current_cell
from audiosr_lib.base.labels import PILOT
from audiosr_lib.base.profiles import Profile
from audiosr_lib.data import corpora, dataset
from audiosr_lib.data.options import SEEDS
from audiosr_lib.teaching import player, plotting

REPORT = ("report/", "report.new/", "report.old/")  # the report in a record's folder, and remains of an interrupted build
BY_COMMAND = "AUDIOSR_BY_COMMAND"  # environment variable of notebooks that run_all.sh runs


class RecordError(StudyError):
    """A record that is incomplete or mixes several runs; the message says what to do."""


@dataclass(frozen=True)
class Run:
    """The part of one notebook in a run: its resolved parameters, and methods that save its results."""

    notebook: str
    profile: Profile
    corpus: str
    seed: int
    device: str

    @classmethod
    def open(cls, notebook: str, *, profile: str, corpus: str = "", seed: int = 0, device: str = "auto") -> Run:
        """Return the run of a notebook after checking its parameters, and delete the entries of its earlier results.

        Parameters
        ----------
        notebook : name of the notebook without .ipynb.
        profile : "smoke", "quick", "overnight" or "coursework".
        corpus : name in the registry, path of a folder, or "" for the profile's corpus.
        seed : seed of all random numbers, 0 .. 2^32 - 1.
        device : "auto", "cpu" or "cuda".

        Raises
        ------
        ValueError : unknown profile or device, or a seed out of range.
        CorpusError : unknown corpus.
        """
        chosen = profiles.get(profile)
        if not 0 <= int(seed) < SEEDS:
            raise ValueError(f"seed {seed} is not in 0 .. {SEEDS - 1}: choose another one")
        run = cls(notebook, chosen, corpora.open_corpus(corpus or chosen.corpus).name, int(seed), device)
        if device not in DEVICES:
            raise ValueError(f"unknown device {device!r}: choose {', '.join(DEVICES)}")
        files.write_json(run._fragment_file, run.parameters() | {"artifacts": []})
        return run

    def torch_device(self) -> str:
        """Return "cpu" or "cuda"; NoGPU if the device is "cuda" and there is no GPU. Imports torch."""
        return device_for(self.device)

    @property
    def training_directory(self) -> Path:
        """The folder in which notebook 08 trains and from which later notebooks read. Each corpus and seed has its own."""
        from audiosr_lib.training import checkpoint, config

        return checkpoint.directory_of(config.TrainingConfig.of(self.profile, self.corpus, self.seed), self.profile.name)

    @property
    def staging(self) -> Path:
        """The folder to which results are saved: the unpublished record under run_all.sh, otherwise build/<profile>/interactive."""
        return self.folders()[0]

    @property
    def _fragment_file(self) -> Path:
        return self.staging / "fragments" / f"{self.notebook}.json"

    def networks(self) -> dict[str, Path]:
        """Return the files of the networks that this run compares, by system.

        "unet" is the network that the study judges. If the profile's own training is short, that is the published one, and the run's own
        is "unet_pilot".
        """
        from audiosr_lib.inference import weights

        own = self.training_directory / "best.pt"
        return {PILOT: own, "unet": weights.file(weights.DEFAULT)} if self.profile.pilot else {"unet": own}

    def parameters(self) -> dict:
        """Return the parameters that must be equal in every notebook of a run."""
        return {"profile": self.profile.name, "corpus": self.corpus, "seed": self.seed}

    def split(self, name: str) -> dataset.PairedSplit:
        """Return the pairs of one split of the corpus: "train", "validation" or "test"."""
        return dataset.PairedSplit(self.corpus, name)

    def test_sets(self) -> dict[str, dataset.PairedSplit]:
        """Return the test split of each corpus that this run can test on, by name: the parts of its own, then those beside it."""
        own = [n for n in corpora.parts_of(self.corpus) if "test" in dataset.summary(n)["speakers"]]
        return {name: dataset.PairedSplit(name, "test") for name in own + _prepared_beside(self.profile, self.corpus)}

    def _register(self, artifact_id: str, title: str, written: list[Path], **more: object) -> None:
        fragment = files.read_json(self._fragment_file)
        names = [p.relative_to(self.staging).as_posix() for p in written]
        entry = {"id": artifact_id, "title": title, "notebook": self.notebook, "cell": current_cell(), "files": names,
                 "sha256": {n: files.sha256_of(p) for n, p in zip(names, written, strict=True)}} | more  # fmt: skip
        fragment["artifacts"] = [a for a in fragment["artifacts"] if a["id"] != artifact_id] + [entry]
        files.write_json(self._fragment_file, fragment)

    def figure(self, fig, number: str, title: str) -> None:
        """Save a matplotlib figure as figure-NUMBER.png (120 dpi) and, for slides and print, as .svg, which git ignores."""
        png_file, svg_file = (self.staging / f"figure-{number}.{suffix}" for suffix in ("png", "svg"))
        fig.set_label(f"Figure {number}: {title}" if number[:1].isdigit() else title)  # start of the alternative text
        fig.draw_without_rendering()
        fig.set_layout_engine("none")  # keep the layout: solving it again for each file takes seconds
        with files.atomic_write(png_file) as path:
            path.write_bytes(plotting.small_png(fig, dpi=120))
        with files.atomic_write(svg_file) as path:
            fig.savefig(path, dpi=120, bbox_inches="tight", format="svg")
        self._register(f"figure-{number}", title, [png_file])

    def table(self, frame, number: str, title: str, digits: int = 3, stem: str = "") -> None:
        """Save a pandas frame as CSV with all digits and as Markdown with `digits` decimals; `stem` replaces the name table-NUMBER."""
        csv_file, md_file = (self.staging / f"{stem or f'table-{number}'}.{suffix}" for suffix in ("csv", "md"))
        files.write_text(csv_file, frame.to_csv(index=False))
        shown = frame.astype(object).where(frame.notna(), None)  # to_markdown writes NaN as "nan", None as ""
        markdown = shown.to_markdown(index=False, floatfmt=f".{digits}f", missingval="")
        files.write_text(md_file, f"**Table {number}** - {title}\n\n{markdown}\n")
        self._register(f"table-{number}", title, [csv_file, md_file])

    def data(self, frame, name: str, title: str) -> None:
        """Save a pandas frame with the data of a table or figure as data-NAME.csv."""
        file = self.staging / f"data-{name}.csv"
        files.write_text(file, frame.to_csv(index=False))
        self._register(f"data-{name}", title, [file])

    def clip(self, x: np.ndarray, sr: int, name: str, title: str, gain: float = 1.0) -> None:
        """Save (T,) samples at `sr` Hz times `gain` as clips/NAME.flac with 16 bits, and source and licence of the corpus beside it.

        ValueError if a scaled sample exceeds 1 or the clip lasts more than 10 s.
        """
        scaled = np.asarray(x) * gain
        if (peak := np.abs(scaled).max()) > 1.0:
            raise ValueError(f"clip {name} has a peak of {peak:.3f}, above 1: choose a smaller shared gain")
        if len(x) > 10 * sr:
            raise ValueError(f"clip {name} lasts {len(x) / sr:.1f} s: shorten it to at most 10 s")
        about = dataset.summary(self.corpus)
        file, note = (self.staging / "clips" / n for n in (f"{name}.flac", "SOURCE.md"))
        files.write_text(
            note,
            f"Clips of the corpus *{about['title']}* ({about['source']}), licence {about['licence']}, as recorded and as processed "
            f"by this study's notebooks. Corpus content SHA-256 {about['content_sha256']}.\n",
        )
        with files.atomic_write(file) as path:
            path.write_bytes(player.flac_bytes(scaled, sr))
        details = {"seconds": round(len(x) / sr, 3), "sample_rate": sr, "gain_db": round(20 * float(np.log10(gain)), 2)}
        self._register(f"clip-{name}", title, [file, note], **details)

    def folders(self) -> list[Path]:
        """Return the folders that may hold tables of earlier notebooks, the preferred one first.

        Under run_all.sh this is the unpublished record only. A notebook that is run by hand may use tables of other runs.
        """
        unpublished, name = paths.staging(self.profile.name), self.profile.name
        return [unpublished] if os.environ.get(BY_COMMAND) else [paths.build(name) / "interactive", unpublished, paths.figures(name)]

    def progress(self, text: str) -> None:
        """Write the progress of a long cell, which the command line prints."""
        files.write_text(paths.build(self.profile.name) / "progress", text)


def fragments(profile: str) -> dict[str, dict]:
    """Return the fragments of the unpublished record by notebook."""
    return {f.stem: files.read_json(f) for f in sorted((paths.staging(profile) / "fragments").glob("*.json"))}


def publish(profile: str, parameters: dict, seconds: dict[str, float], device: str, expected: list[str]) -> Path:
    """Check the unpublished record, write its manifest, copy it to figures/<profile>, and return that folder.

    Parameters
    ----------
    profile : name of the profile.
    parameters : "profile", "corpus" and "seed"; every notebook must have run with them.
    seconds : run time of each notebook in seconds, by its name.
    device : "cpu" or "cuda", where the networks ran.
    expected : names of the notebooks that must have run.

    Raises
    ------
    RecordError : a notebook is missing or has other parameters, or a file is missing or changed; figures/<profile> stays unchanged.
    """
    staging, found = paths.staging(profile), fragments(profile)
    for name in expected:
        if name not in found or name not in seconds or not (staging / "notebooks" / f"{name}.ipynb").exists():
            raise RecordError(f"{name} has not run yet: run every notebook; until then the record stays in {paths.shown(staging)}")
        if {k: found[name][k] for k in parameters} != parameters:
            raise RecordError(f"{name} was run with other parameters: run ./run_all.sh from the first notebook to make one record")
    artifacts = [a for name in expected for a in found[name]["artifacts"]]
    for a in artifacts:
        for n, digest in a["sha256"].items():
            if not (staging / n).exists() or files.sha256_of(staging / n) != digest:
                raise RecordError(f"{n} of {a['notebook']} is missing or was changed: run that notebook again")
    about = dataset.summary(parameters["corpus"])
    manifest = {
        "profile": profile,
        "parameters": asdict(profiles.get(profile)) | {"corpus": parameters["corpus"], "device": device},
        "seed": parameters["seed"],
        "corpus": described(about),
        "tested_on": [described(dataset.summary(n)) for n in _prepared_beside(profiles.get(profile), parameters["corpus"])],
        "git_commit": provenance.git_commit(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": provenance.device_description(),
        "versions": provenance.versions(),
        "seconds": {name: round(seconds[name], 1) for name in expected},
        "artifacts": artifacts,
        "notebooks": {n: files.sha256_of(staging / n) for n in (f"notebooks/{name}.ipynb" for name in expected)},
    }
    listed = {n for a in artifacts for n in a["files"]} | set(manifest["notebooks"])
    pictures = {p.name for p in staging.glob("*.svg") if p.with_suffix(".png").name in listed}
    with files.atomic_folder(paths.figures(profile)) as new:
        for name in sorted(listed | pictures):
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(staging / name, new / name)
        files.write_json(new / "manifest.json", manifest)
    return paths.figures(profile)


def _prepared_beside(profile: Profile, corpus: str) -> list[str]:
    """Return the further corpora to test on that are prepared on this machine."""
    from audiosr_lib.data import preparation

    return [name for name in profile.beside(corpus) if preparation.is_prepared(paths.prepared(name))]


def described(about: dict) -> dict:
    """Return what a manifest says of a corpus and of its parts: origin, licence, hash, hours, and lossy coding."""
    fields = ("corpus", "title", "licence", "source", "lossy", "content_sha256", "utterances", "seconds")
    hours = {s: round(seconds / 3600, 3) for s, seconds in about["seconds"].items()}
    parts = {"parts": [described(part) for part in about["parts"]]} if "parts" in about else {}
    return {k: about[k] for k in fields} | {"hours": hours} | parts


def damage(folder: Path) -> list[str]:
    """Return a message for each file that the manifest of a published record lists and that is missing or changed."""
    problems = []
    for name, digest in _digests(folder).items():
        if not (folder / name).exists():
            problems.append(f"{name} is missing")
        elif files.sha256_of(folder / name) != digest:
            problems.append(f"{name} was changed")
    return problems


def verify(folder: Path) -> list[str]:
    """Return a message for each file of a published record that is missing, changed or not listed.

    The manifest lists neither the report, which `report.build` makes from the record, nor SVGs, which git ignores: both are allowed.
    """
    listed = {"manifest.json", *_digests(folder)}
    present = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    stray = [n for n in present if n not in listed and not n.startswith(REPORT) and not n.endswith(".svg")]
    return damage(folder) + [f"{n} is not in the manifest" for n in stray]


def _digests(folder: Path) -> dict[str, str]:
    manifest = files.read_json(folder / "manifest.json")
    return {n: d for a in manifest["artifacts"] for n, d in a["sha256"].items()} | manifest["notebooks"]
