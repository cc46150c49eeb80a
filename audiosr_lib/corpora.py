"""Corpora: where the recordings come from, who speaks in which split, and how they get onto this machine.

The registry is data/corpora.toml. Splits are disjoint by speaker, fixed there, and written down again
beside the prepared pairs. Fetching needs no root and can be cut at any moment: archives resume, extracted
files are written aside and renamed, and `fetched.json` is written last.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from audiosr_lib import download, files, paths, signals
from audiosr_lib.download import DownloadError

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

SPLITS = ("train", "validation", "test")
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}

THREE_WAYS = """No recordings to run on. There are three ways to get some:
  1. tuxpaint (about 160 MB): on Debian or Ubuntu with a network, run ./run_all.sh again; elsewhere put
     {archive} from {source}
     into {raw_tuxpaint}/
  2. vctk (11.7 GB): run ./run_all.sh --corpus vctk with a network, or put
     {vctk_archive} into {raw_vctk}/
  3. your own: ./run_all.sh --corpus FOLDER, a folder of WAV, FLAC, OGG or MP3 files at 44.1 kHz or more
     with at least three sub-folders, one for each speaker.
Without any, ./run_all.sh --profile smoke runs the whole study on synthetic signals."""


class CorpusError(RuntimeError):
    """A corpus that cannot be had or used; the message says what to do."""


@dataclass(frozen=True)
class Recording:
    """One file of a corpus: where it lies, who speaks, and the split of that speaker (None: in none)."""

    path: Path
    name: str  # relative to the corpus, without the suffix: unique and stable
    speaker: str
    split: str | None


@dataclass(frozen=True)
class Corpus:
    """A registry entry: its name, its table, and the folder of its recordings."""

    name: str
    entry: dict
    folder: Path

    @property
    def title(self) -> str:
        return self.entry["title"]

    @property
    def licence(self) -> str:
        return self.entry["licence"]

    @property
    def splits(self) -> tuple[str, ...]:
        return splits_of(self.entry)


def splits_of(entry: dict) -> tuple[str, ...]:
    """Splits that a registry entry must fill: `test` alone if it names no other, for a corpus that is never trained on; else all three."""
    return ("test",) if set(entry.get("splits", ())) == {"test"} else SPLITS


def registry() -> dict:
    """data/corpora.toml as a dictionary; its table `keep` holds the thresholds, every other one a corpus."""
    return tomllib.loads(paths.registry_file().read_text(encoding="utf-8"))


def open_corpus(name: str) -> Corpus:
    """The corpus called `name`, or the folder of that path.

    Raises CorpusError for a name that is neither, listing the names one can train on.
    """
    table = registry()
    if name in table and name not in ("keep", "folder"):
        return Corpus(name, table[name], paths.raw(name))
    folder = Path(name).expanduser()
    if not folder.is_dir():
        names = [n for n, entry in table.items() if n not in ("keep", "folder") and splits_of(entry) == SPLITS]
        raise CorpusError(f"no corpus and no folder called {name!r}: choose {', '.join(names)}, or give an existing folder")
    folder = folder.resolve()
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name) or "folder"
    return Corpus(f"folder-{safe}-{digest}", table["folder"], folder)


# --- who speaks, and in which split -------------------------------------------------------------


def split_speakers(corpus: Corpus, speakers: Iterable[str]) -> dict[str, str | None]:
    """Speaker -> split, for the speakers found on disk.

    Named splits come from the registry; for vctk every other speaker is trained on, elsewhere is in no split.
    For a folder, speakers are ordered by a hash of their names and dealt out by the registry's shares, at least one
    to each split. Raises CorpusError if a split of the corpus would stay empty.
    """
    speakers = sorted(set(speakers))
    if corpus.entry["kind"] == "folder":
        if len(speakers) < len(SPLITS):
            raise CorpusError(
                f"{corpus.folder.name} has {len(speakers)} speaker(s) ({', '.join(speakers[:5])}): training, validation and test "
                "must not share one. Give a folder with at least three sub-folders of recordings, one for each speaker."
            )
        order = sorted(speakers, key=lambda s: hashlib.sha256(s.encode()).hexdigest())
        n_test = max(1, round(len(order) * corpus.entry["test_share"]))
        n_validation = max(1, round(len(order) * corpus.entry["validation_share"]))
        return {s: "test" if i < n_test else "validation" if i < n_test + n_validation else "train" for i, s in enumerate(order)}
    named = {s: split for split, members in corpus.entry["splits"].items() for s in members}
    default = "train" if corpus.entry["kind"] == "vctk" else None
    dropped = set(corpus.entry.get("left_out_speakers", ()))
    result = {s: None if s in dropped else named.get(s, default) for s in speakers}
    missing = [split for split in corpus.splits if split not in result.values()]
    if missing:
        raise CorpusError(
            f"{corpus.name}: no speaker of the split(s) {', '.join(missing)} is on disk; "
            "delete fetched.json beside the recordings and start again"
        )
    return result


def speaker_of(corpus: Corpus, path: Path) -> str:
    """Speaker of a recording: the language of a tuxpaint file, elsewhere the first folder below the corpus or its `inside`."""
    if corpus.entry["kind"] == "tuxpaint":
        return path.stem.rpartition("_desc")[2].lstrip("_") or "en"
    relative = path.relative_to(corpus.folder / corpus.entry.get("inside", ""))
    return relative.parts[0] if len(relative.parts) > 1 else "(no sub-folder)"


def list_recordings(corpus: Corpus) -> list[Recording]:
    """Every recording of a fetched corpus, sorted by name. Raises CorpusError if there is none."""
    try:
        found = sorted(p for p in corpus.folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
    except OSError as error:
        raise CorpusError(f"cannot read the folder {corpus.folder.name}: {error.strerror}. Mend its place or its permissions.") from error
    if not found:
        raise CorpusError(f"no WAV, FLAC, OGG or MP3 file in {corpus.folder.name} or its sub-folders")
    speakers = {p: speaker_of(corpus, p) for p in found}
    split = split_speakers(corpus, speakers.values())
    names = [p.relative_to(corpus.folder).as_posix() for p in found]
    return [Recording(p, n, speakers[p], split[speakers[p]]) for p, n in zip(found, names, strict=True)]


# --- fetching ------------------------------------------------------------------------------------


def fetch(corpus: Corpus) -> Path:
    """Make sure the recordings are on this machine; returns their folder. A second call finds them and does nothing.

    Raises CorpusError naming the ways to the corpus if nothing can be had, or what else is wrong.
    """
    kind = corpus.entry["kind"]
    if kind == "folder":
        _check_readable(corpus.folder)
        return corpus.folder
    marker = corpus.folder / "fetched.json"
    if marker.exists():
        return corpus.folder
    corpus.folder.mkdir(parents=True, exist_ok=True)
    try:
        fetchers = {"tuxpaint": _fetch_tuxpaint, "package": _fetch_package, "vctk": _fetch_vctk, "synthetic": _make_synthetic}
        how = fetchers[kind](corpus)
    except DownloadError as error:
        raise CorpusError(f"{three_ways()}\n\nWhat was tried for {corpus.name}:\n{error}") from error
    files.write_json(marker, {"corpus": corpus.name, "how": how, "content_sha256": content_hash(corpus.folder)})
    return corpus.folder


def three_ways() -> str:
    """The message for a machine with no network and no corpus."""
    table = registry()
    return THREE_WAYS.format(
        archive=table["tuxpaint"]["archive"],
        source=table["tuxpaint"]["source"],
        raw_tuxpaint=paths.shown(paths.raw("tuxpaint")),
        vctk_archive=table["vctk"]["archive"],
        raw_vctk=paths.shown(paths.raw("vctk")),
    )


def content_hash(folder: Path, speakers: set[str] | None = None) -> str:
    """SHA-256 over the sorted relative names and hashes of the recordings below `folder`, or of its sub-folders called `speakers`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES):
        if speakers is not None and path.relative_to(folder).parts[0] not in speakers:
            continue
        digest.update(f"{path.relative_to(folder).as_posix()} {files.sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _check_readable(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise CorpusError(f"cannot read the folder {folder.name}: {error.strerror}. Mend its place or its permissions.") from error


def _extract(target: Path, source) -> None:
    """Write one member of an archive, whole or not at all; DownloadError if the disk will not take it."""
    try:
        files.copy_stream(target, source)
    except OSError as error:
        if error.errno is None:  # the archive's own trouble, such as a wrong check sum: not the disk's
            raise
        raise DownloadError(f"cannot write {target.name}: {error.strerror}. Make room and start again.") from error


def _wanted(corpus: Corpus) -> set[str]:
    """Speakers whose recordings are extracted: those of the splits, and those that are listed to be measured and left out."""
    return {s for members in corpus.entry["splits"].values() for s in members} | set(corpus.entry.get("candidates", ()))


def _extract_recordings(corpus: Corpus, archive: tarfile.TarFile) -> int:
    """Recordings of the wanted speakers, and the licence, out of an archive; returns how many.

    The registry's `inside` is the folder in the archive, and here, below which they lie; `recordings` matches their file names.
    """
    inside, wanted = corpus.entry["inside"], _wanted(corpus)
    count = 0
    for member in archive:
        path = Path(member.name)
        if member.isfile() and path.name in ("copyright", "COPYING.txt"):
            _extract(corpus.folder / path.name, archive.extractfile(member))
        if not member.isfile() or inside not in path.parts or ".." in path.parts or not re.search(corpus.entry["recordings"], path.name):
            continue
        target = corpus.folder.joinpath(*path.parts[path.parts.index(inside) :])
        if speaker_of(corpus, target) not in wanted:
            continue
        _extract(target, archive.extractfile(member))
        count += 1
    return count


def _unpack_package(corpus: Corpus) -> str:
    """Fetch a corpus' package by the distribution's client and extract its recordings; DownloadError if that cannot be done."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise DownloadError("this machine has no apt-get and dpkg-deb, the package client of Debian and Ubuntu")
    package = _download_package(corpus.entry["package"], corpus.folder)
    shutil.rmtree(corpus.folder / corpus.entry["inside"], ignore_errors=True)  # or what lies there would stand beside the right files
    try:
        command = ["dpkg-deb", "--fsys-tarfile", str(package)]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE) as unpack,
            tarfile.open(fileobj=unpack.stdout, mode="r|") as archive,
        ):
            count = _extract_recordings(corpus, archive)
    except tarfile.TarError as error:
        raise DownloadError(f"{package.name} could not be unpacked ({error})") from error
    if unpack.returncode or not count:
        raise DownloadError(f"{package.name} could not be unpacked")
    package.unlink()
    return f"package {package.stem}"


def _fetch_package(corpus: Corpus) -> str:
    """By the distribution's package client, or the package's folder laid by hand. No other place is known.

    Raises CorpusError that says how to lay it by hand.
    """
    entry = corpus.entry
    laid = corpus.folder / entry["inside"]
    if content_hash(laid, _wanted(corpus)) == entry["content_sha256"]:
        return f"{entry['package']} {entry['version']}, laid by hand"
    try:
        return _unpack_package(corpus)
    except DownloadError as error:
        other = f"; what lies there now is not the whole of version {entry['version']}" if laid.exists() else ""
        raise CorpusError(
            f"{corpus.name} comes with the Debian package {entry['package']} alone, and it could not be had: {error}. "
            f"By hand: unpack version {entry['version']} of that package (dpkg-deb -x; elsewhere ar x, then tar xf data.tar.xz), "
            f"put its folder {entry['folder']} into {paths.shown(corpus.folder)}/, and run again{other}."
        ) from error


def _fetch_tuxpaint(corpus: Corpus) -> str:
    """By the distribution's package client where there is one, else the upstream tarball."""
    tarball = corpus.folder / corpus.entry["archive"]
    problem = ""
    if not tarball.exists():
        try:
            return _unpack_package(corpus)
        except DownloadError as error:
            problem = str(error)
    try:
        download.fetch(corpus.entry["upstream"], tarball, size=corpus.entry["archive_bytes"])
    except DownloadError as error:
        raise DownloadError("\n".join(filter(None, [problem, str(error)]))) from error
    try:
        with tarfile.open(tarball) as archive:
            count = _extract_recordings(corpus, archive)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        said = str(error).partition("\n")[0].rstrip(":")
        raise DownloadError(f"{tarball.name} is damaged ({said}): delete it and start again") from error
    got, known = content_hash(corpus.folder / "stamps"), corpus.entry["content_sha256"]
    if got != known:
        shutil.rmtree(corpus.folder / "stamps", ignore_errors=True)  # or its files would stand beside the right ones
        raise DownloadError(
            f"{tarball.name} gave {count} recordings that are not the ones of the record (content {got[:12]}..., "
            f"expected {known[:12]}...). Delete it and start again, or use it as a folder of your own: --corpus FOLDER."
        )
    return f"archive {tarball.name}"


def _download_package(package: str, folder: Path) -> Path:
    """`apt-get download` into `folder`, without root; the client itself checks the archive's signature.

    A fresh image may have no package lists: then they are fetched into a folder of our own.
    """
    state, cache = folder / "apt" / "state", folder / "apt" / "cache"
    own = ["-o", f"Dir::State={state}", "-o", f"Dir::Cache={cache}", "-o", "Debug::NoLocking=1"]
    said = ""
    for options, update in (([], False), (own, True)):
        if update:
            (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            _run(["apt-get", *options, "update"], folder)
        said = _run(["apt-get", *options, "download", package], folder)
        found = sorted(folder.glob(f"{package}_*.deb"))
        if found:
            shutil.rmtree(folder / "apt", ignore_errors=True)
            return found[-1]
    raise DownloadError(f"apt-get could not download {package}: {said.strip()[-300:]}")


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800, check=False)
    except subprocess.TimeoutExpired:
        return "no end after half an hour"
    return done.stderr if done.returncode else ""


VCTK_MEMBER = re.compile(r"(?:^|/)wav48_silence_trimmed/(?P<speaker>[ps]\d+)/(?P<file>(?P=speaker)_\d+_mic1\.flac)$")


def _fetch_vctk(corpus: Corpus) -> str:
    """The 11.7 GB archive, resumable and verified; only microphone 1 of the speakers used is extracted."""
    archive = corpus.folder / corpus.entry["archive"]
    download.fetch(corpus.entry["urls"], archive, sha256=corpus.entry["sha256"], size=corpus.entry["archive_bytes"])
    dropped = set(corpus.entry["left_out_speakers"])
    try:
        with zipfile.ZipFile(archive) as z:
            members = [(m, VCTK_MEMBER.search(m.filename)) for m in z.infolist()]
            wanted = [(m, found) for m, found in members if found and found["speaker"] not in dropped]
            pending = []
            for m, found in wanted:
                target = corpus.folder / found["speaker"] / found["file"]
                if not (target.exists() and target.stat().st_size == m.file_size):
                    pending.append((m, target))
            download.require_space(corpus.folder, sum(m.file_size for m, _ in pending), "extracting VCTK")
            for m, target in pending:
                with z.open(m) as source:
                    _extract(target, source)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DownloadError(f"{archive.name} is damaged ({error}): delete it and start again") from error
    return f"archive {archive.name}"


def _make_synthetic(corpus: Corpus) -> str:
    """Seven made-up speakers, each with a pitch of its own; the same on every machine with the same NumPy and SciPy."""
    sr = 44100
    speakers = sorted(s for members in corpus.entry["splits"].values() for s in members)
    for i, speaker in enumerate(speakers):
        rng = np.random.default_rng([2021, i])
        for j in range(corpus.entry["utterances"]):
            x = signals.synthetic_speech(corpus.entry["seconds"], sr, rng, pitch_hz=100 + 20 * i)
            target = corpus.folder / speaker / f"{speaker}_{j:02d}.flac"
            with files.aside(target) as path:
                sf.write(path, x, sr, format="FLAC", subtype="PCM_16")
    return "audiosr_lib.signals.synthetic_speech"
