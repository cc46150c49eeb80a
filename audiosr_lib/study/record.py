"""What a run leaves behind: figures, tables and clips with a manifest that can be checked.

A notebook opens a `Run` with its parameters and saves through it. Everything goes to build/<profile>/record first, with one small JSON
fragment a notebook; when the last notebook is through, `publish` writes manifest.json and moves the whole to figures/<profile>.
So figures/<profile> is always one whole run, never a mixture. A notebook that is played with by hand saves to
build/<profile>/interactive and touches no record.
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
from audiosr_lib.base.profiles import Profile
from audiosr_lib.data import corpora, dataset
from audiosr_lib.teaching import player, plotting

REPORT = ("report/", "report.new/", "report.old/")  # pages made of a record, in its folder, and what a killed build may have left

BY_COMMAND = "AUDIOSR_BY_COMMAND"  # set in the environment of notebooks that run_all.sh runs


class RecordError(StudyError):
    """A record that is not whole or not of one run; the message says what to do."""


@dataclass(frozen=True)
class Run:
    """A notebook's part of a run: its parameters, resolved, and the place for what it makes."""

    notebook: str
    profile: Profile
    corpus: str
    seed: int
    device: str

    @classmethod
    def open(cls, notebook: str, *, profile: str, corpus: str = "", seed: int = 0, device: str = "auto") -> Run:
        """Resolve a notebook's parameters.

        Parameters
        ----------
        notebook : its name, without .ipynb. profile : smoke, quick or coursework. corpus : a name of the registry, a folder,
        or "" for the profile's own. seed : of everything random. device : "auto", "cpu" or "cuda".

        Raises
        ------
        ValueError : an unknown profile, corpus or device, or "cuda" where there is none.
        """
        chosen = profiles.get(profile)
        run = cls(notebook, chosen, corpora.open_corpus(corpus or chosen.corpus).name, int(seed), device)
        if device not in DEVICES:
            raise ValueError(f"no device {device!r}: choose auto, cpu or cuda")
        files.write_json(run._fragment_file, run.parameters() | {"artifacts": []})
        return run

    def torch_device(self) -> str:
        """ "cpu" or "cuda"; loads torch, which the signal chapters do without. NoGPU for "cuda" without a GPU."""
        return device_for(self.device)

    @property
    def training_directory(self) -> Path:
        """Where notebook 08 trains and the later ones read."""
        return paths.build(self.profile.name) / "training"

    @property
    def staging(self) -> Path:
        """Where artefacts go: the record in the making under run_all.sh, else a folder to play in."""
        by_command = os.environ.get(BY_COMMAND)
        return paths.staging(self.profile.name) if by_command else paths.build(self.profile.name) / "interactive"

    @property
    def _fragment_file(self) -> Path:
        return self.staging / "fragments" / f"{self.notebook}.json"

    def parameters(self) -> dict:
        """What must be equal in every notebook of one run."""
        return {"profile": self.profile.name, "corpus": self.corpus, "seed": self.seed}

    def split(self, name: str) -> dataset.PairedSplit:
        """A split of this run's corpus."""
        return dataset.PairedSplit(self.corpus, name)

    # --- artefacts ---

    def _register(self, artifact_id: str, title: str, written: list[Path], **more: object) -> None:
        fragment = files.read_json(self._fragment_file)
        names = [p.relative_to(self.staging).as_posix() for p in written]
        entry = {"id": artifact_id, "title": title, "notebook": self.notebook, "cell": current_cell(), "files": names,
                 "sha256": {n: files.sha256_of(p) for n, p in zip(names, written, strict=True)}} | more  # fmt: skip
        fragment["artifacts"] = [a for a in fragment["artifacts"] if a["id"] != artifact_id] + [entry]
        files.write_json(self._fragment_file, fragment)

    def figure(self, fig, number: str, title: str) -> None:
        """Save a matplotlib figure as figure-NUMBER.png (120 dpi) and .svg. The notebook still shows it with plt.show().

        The record lists the PNG. The SVG is for slides and print: the run leaves it beside the PNG, and git does not hold it.
        """
        png_file, svg_file = (self.staging / f"figure-{number}.{suffix}" for suffix in ("png", "svg"))
        fig.set_label(f"Figure {number}: {title}" if number[:1].isdigit() else title)  # begins its alternative text
        fig.draw_without_rendering()
        fig.set_layout_engine("none")  # the layout is solved: solving it again at each of the draws below takes seconds
        with files.atomic_write(png_file) as path:
            path.write_bytes(plotting.small_png(fig, dpi=120))
        with files.atomic_write(svg_file) as path:
            fig.savefig(path, dpi=120, bbox_inches="tight", format="svg")
        self._register(f"figure-{number}", title, [png_file])

    def table(self, frame, number: str, title: str, digits: int = 3, stem: str = "") -> None:
        """Save a pandas frame as table-NUMBER.csv, every digit, and .md, rounded; `stem` names another place than table-NUMBER."""
        csv_file, md_file = (self.staging / f"{stem or f'table-{number}'}.{suffix}" for suffix in ("csv", "md"))
        files.write_text(csv_file, frame.to_csv(index=False))
        shown = frame.astype(object).where(frame.notna(), None)  # nothing, and not "nan", where there is no number
        markdown = shown.to_markdown(index=False, floatfmt=f".{digits}f", missingval="")
        files.write_text(md_file, f"**Table {number}** - {title}\n\n{markdown}\n")
        self._register(f"table-{number}", title, [csv_file, md_file])

    def data(self, frame, name: str, title: str) -> None:
        """Save a pandas frame behind a table or figure as data-NAME.csv."""
        file = self.staging / f"data-{name}.csv"
        files.write_text(file, frame.to_csv(index=False))
        self._register(f"data-{name}", title, [file])

    def clip(self, x: np.ndarray, sr: int, name: str, title: str, gain: float = 1.0) -> None:
        """Save a short clip as clips/NAME.flac, 16 bit, times `gain`; ValueError if it would clip or lasts over 10 s.

        Source and licence of the corpus are written beside it.
        """
        scaled = np.asarray(x) * gain
        if np.abs(scaled).max() > 1.0:
            raise ValueError(f"clip {name} peaks at {np.abs(scaled).max():.3f}: take a smaller shared gain")
        if len(x) > 10 * sr:
            raise ValueError(f"clip {name} lasts {len(x) / sr:.1f} s: keep clips under 10 s")
        about = dataset.summary(self.corpus)
        note = self.staging / "clips" / "SOURCE.md"
        files.write_text(
            note,
            f"Clips of the corpus *{about['title']}* ({about['source']}), licence {about['licence']}, as recorded and as processed "
            f"by this study's notebooks. Corpus content SHA-256 {about['content_sha256']}.\n",
        )
        file = self.staging / "clips" / f"{name}.flac"
        with files.atomic_write(file) as path:
            path.write_bytes(player.flac_bytes(scaled, sr))
        about_it = {"seconds": round(len(x) / sr, 3), "sample_rate": sr, "gain_db": round(20 * float(np.log10(gain)), 2)}
        self._register(f"clip-{name}", title, [file, note], **about_it)

    def weights(self, checkpoint: Path) -> None:
        """Save the trained network as weights/unet.safetensors, half precision, with what it was trained on beside it."""
        from audiosr_lib.inference import systems

        file = self.staging / "weights" / "unet.safetensors"
        systems.export_weights(checkpoint, file)
        self._register("weights-unet", "The trained network in half precision", [file, file.with_suffix(".json")])

    def folders(self) -> list[Path]:
        """Where tables of earlier notebooks are to be looked for: in the record in the making; in a notebook played with by hand also in
        the last run's and in the published one, for they need not be of one run there."""
        if os.environ.get(BY_COMMAND):
            return [self.staging]
        return [self.staging, paths.staging(self.profile.name), paths.figures(self.profile.name)]

    def progress(self, text: str) -> None:
        """Say how far a long cell is; the command line shows it, the notebook stays quiet."""
        files.write_text(paths.build(self.profile.name) / "progress", text)


# --- the whole record ------------------------------------------------------------------------------


def fragments(profile: str) -> dict[str, dict]:
    """Notebook -> what it left in the staging folder."""
    folder = paths.staging(profile) / "fragments"
    return {f.stem: files.read_json(f) for f in sorted(folder.glob("*.json"))}


def publish(profile: str, parameters: dict, seconds: dict[str, float], device: str, expected: list[str]) -> Path:
    """Check the staged record, write its manifest, and move it to figures/<profile>; returns that folder.

    Parameters
    ----------
    parameters : profile, corpus and seed that every fragment must have. seconds : by notebook. device : the device the
    networks ran on. expected : notebooks that must have run.

    Raises
    ------
    RecordError : a notebook is missing or has other parameters, or a file is missing or was changed; figures/<profile> is left alone.
    """
    staging, found = paths.staging(profile), fragments(profile)
    for name in expected:
        if name not in found or not (staging / "notebooks" / f"{name}.ipynb").exists():
            raise RecordError(f"{name} has not run yet: the record stays in {paths.shown(staging)} until every notebook has")
        if {k: found[name][k] for k in parameters} != parameters:
            raise RecordError(f"{name} was run with other parameters: run ./run_all.sh from the top to make one record")
    artifacts = [a for name in expected for a in found[name]["artifacts"]]
    listed = {n for a in artifacts for n in a["files"]} | {f"notebooks/{name}.ipynb" for name in expected}
    pictures = {p.name for p in staging.glob("*.svg") if p.with_suffix(".png").name in listed}
    for a in artifacts:
        for n, digest in a["sha256"].items():
            if not (staging / n).exists() or files.sha256_of(staging / n) != digest:
                raise RecordError(f"{n} of {a['notebook']} is missing or was changed: run that notebook again")
    about = dataset.summary(parameters["corpus"])
    manifest = {
        "profile": profile,
        "parameters": asdict(profiles.get(profile)) | {"corpus": parameters["corpus"], "device": device},
        "seed": parameters["seed"],
        "corpus": {k: about[k] for k in ("corpus", "title", "licence", "source", "content_sha256", "utterances", "seconds")},
        "git_commit": provenance.git_commit(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": provenance.device_description(),
        "versions": provenance.versions(),
        "seconds": {name: round(seconds[name], 1) for name in expected if name in seconds},
        "artifacts": artifacts,
        "notebooks": {f"notebooks/{n}.ipynb": files.sha256_of(staging / "notebooks" / f"{n}.ipynb") for n in expected},
    }
    target = paths.figures(profile)
    with files.atomic_folder(target) as new:
        for name in sorted(listed | pictures):
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(staging / name, new / name)
        files.write_json(new / "manifest.json", manifest)
    return target


def damage(folder: Path) -> list[str]:
    """What is wrong with the files that a published record lists: missing, or changed. Empty if nothing is."""
    manifest = files.read_json(folder / "manifest.json")
    problems = []
    for name, digest in _digests(manifest).items():
        if not (folder / name).exists():
            problems.append(f"{name} is missing")
        elif files.sha256_of(folder / name) != digest:
            problems.append(f"{name} is not the file of the manifest")
    return problems


def verify(folder: Path) -> list[str]:
    """Problems of a published record: files that are missing, changed or not listed. Empty if it is sound.

    `REPORT` is left out: `report.build` makes it of the record, which does not list it. So are SVGs, which git does not hold.
    """
    listed = set(_digests(files.read_json(folder / "manifest.json"))) | {"manifest.json"}
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    stray = [n for n in sorted(present - listed) if not n.startswith(REPORT) and not n.endswith(".svg")]
    return damage(folder) + [f"{n} is not in the manifest" for n in stray]


def _digests(manifest: dict) -> dict[str, str]:
    return {n: d for a in manifest["artifacts"] for n, d in a["sha256"].items()} | manifest["notebooks"]
