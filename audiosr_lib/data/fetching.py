"""Getting the recordings of a corpus onto this machine.

Fetching needs no root and can be cut at any moment: archives resume, extracted files are written aside and renamed, and
`fetched.json` is written last.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import soundfile as sf

from audiosr_lib import signals
from audiosr_lib.base import files, paths
from audiosr_lib.data import corpora, download
from audiosr_lib.data.corpora import Corpus, CorpusError, content_hash, speaker_of
from audiosr_lib.data.download import DownloadError

THREE_WAYS = """No recordings to run on. There are three ways to get some:
  1. tuxpaint (about 160 MB): on Debian or Ubuntu with a network, run ./run_all.sh again; elsewhere put
     {archive} from {source}
     into {raw_tuxpaint}/
  2. vctk (11.7 GB): run ./run_all.sh --corpus vctk with a network, or put
     {vctk_archive} into {raw_vctk}/
  3. your own: ./run_all.sh --corpus FOLDER, a folder of WAV, FLAC, OGG or MP3 files at 44.1 kHz or more
     with at least three sub-folders, one for each speaker.
Without any, ./run_all.sh --profile smoke runs the whole study on synthetic signals."""


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
    table = corpora.registry()
    return THREE_WAYS.format(
        archive=table["tuxpaint"]["archive"],
        source=table["tuxpaint"]["source"],
        raw_tuxpaint=paths.shown(paths.raw("tuxpaint")),
        vctk_archive=table["vctk"]["archive"],
        raw_vctk=paths.shown(paths.raw("vctk")),
    )


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
            with files.atomic_write(target) as path:
                sf.write(path, x, sr, format="FLAC", subtype="PCM_16")
    return "audiosr_lib.signals.synthetic_speech"
