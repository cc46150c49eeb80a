"""Download or extract the recordings of a corpus.

This needs no root rights and can be interrupted at any time: archives resume, files are extracted atomically, and `fetched.json`
is written last.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import soundfile as sf

from audiosr_lib import signals
from audiosr_lib.base import files, paths
from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.base.errors import StudyWarning
from audiosr_lib.data import corpora, download
from audiosr_lib.data.corpora import Corpus, CorpusError, content_hash, speaker_of
from audiosr_lib.data.download import DownloadError

UNPACKING = "unpacking"  # this file in a corpus' folder means that what lies beside it is of an unfinished unpacking
LICENCES = ("copyright", "COPYING", "COPYING.txt", "LICENSE")  # files of an archive that are extracted, too


def fetch(corpus: Corpus) -> Path:
    """Return the folder of the recordings after fetching them. If they are already there, nothing is fetched.

    Raises CorpusError if they cannot be fetched or read; the message names the ways to get a corpus.
    """
    for part in corpus.combined:
        fetch(part)
    if corpus.combined:
        return corpus.folder
    kind = corpus.entry["kind"]
    marker = corpus.folder / "fetched.json"
    if kind == "folder":
        try:
            next(corpus.folder.iterdir(), None)
        except OSError as error:
            raise CorpusError(f"cannot read the folder {corpus.folder.name}: {error.strerror}. Check its path and permissions.") from error
    elif not marker.exists():
        corpus.folder.mkdir(parents=True, exist_ok=True)
        fetchers = {"tuxpaint": _fetch_tuxpaint, "package": _fetch_package, "archive": _fetch_archive, "synthetic": _make_synthetic}
        try:
            how = fetchers[kind](corpus)
        except DownloadError as error:
            raise CorpusError(f"{three_ways()}\n\nWhat was tried for {corpus.name}:\n{error}") from error
        files.write_json(marker, {"corpus": corpus.name, "how": how, "content_sha256": content_hash(corpus.folder)})
        (corpus.folder / UNPACKING).unlink(missing_ok=True)
    return corpus.folder


def three_ways() -> str:
    """Return the message for a machine that has no corpus and cannot fetch one."""
    table = corpora.registry()
    archives = "".join(
        f"\n     {name} ({table[name]['archive_bytes'] / 1e9:.1f} GB): {table[name]['archive']} from {table[name]['source']}"
        for name in ("ravdess", "vctk")
    )
    return f"""No recordings to run on. There are three ways to get some:
  1. tuxpaint (about 160 MB): on Debian or Ubuntu with a network, run ./run_all.sh again; elsewhere put
     {table["tuxpaint"]["archive"]} from {table["tuxpaint"]["source"]}
     into {paths.shown(paths.raw("tuxpaint"))}/
  2. another corpus: run ./run_all.sh --corpus NAME with a network, or put its archive into {paths.shown(paths.raw("NAME"))}/{archives}
  3. your own: ./run_all.sh --corpus FOLDER, a folder of WAV, FLAC, OGG or MP3 files at 44.1 kHz or more
     with at least three sub-folders, one for each speaker.
Without recordings, ./run_all.sh --profile smoke runs the whole study on synthetic signals."""


def _extract(target: Path, source) -> None:
    """Write one member of an archive, by `atomic_write`. Raises DownloadError if the disk is full."""
    try:
        files.copy_stream(target, source)
    except OSError as error:
        if error.errno is None:  # an error of the archive, such as a wrong checksum
            raise
        raise DownloadError(f"cannot write {target.name}: {error.strerror}. Free some space and start again.") from error


def _wanted(corpus: Corpus) -> set[str]:
    """Return the speakers to extract: those of the splits, and the `candidates` that the preparation measures and rejects."""
    return {s for members in corpus.entry["splits"].values() for s in members} | set(corpus.entry.get("candidates", ()))


def _extract_recordings(corpus: Corpus, archive: tarfile.TarFile) -> int:
    """Extract the licence and the recordings of the wanted speakers; return the number of recordings."""
    _make_room(corpus)
    inside, wanted, count = corpus.entry["inside"], _wanted(corpus), 0
    for member in filter(tarfile.TarInfo.isfile, archive):
        path = Path(member.name)
        if path.name in LICENCES:
            _extract(corpus.folder / path.name, archive.extractfile(member))
        if inside in path.parts and ".." not in path.parts and re.search(corpus.entry["recordings"], path.name):
            target = corpus.folder.joinpath(*path.parts[path.parts.index(inside) :])
            if speaker_of(corpus, target) in wanted:
                _extract(target, archive.extractfile(member))
                count += 1
    return count


def _run(command: list[str], folder: Path) -> str:
    """Run a command in `folder`; return its error output if it fails, else an empty string."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800, check=False)
    except subprocess.TimeoutExpired:
        return "stopped after half an hour"
    return done.stderr if done.returncode else ""


def _download_package(package: str, folder: Path) -> Path:
    """Return the .deb file that `apt-get download` puts into `folder`. This needs no root rights; apt-get checks the signature."""
    state, cache = folder / "apt" / "state", folder / "apt" / "cache"  # for package lists, which a new system may not have
    own_lists = ["-o", f"Dir::State={state}", "-o", f"Dir::Cache={cache}", "-o", "Debug::NoLocking=1"]
    for options in ([], own_lists):
        if options:
            (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            _run(["apt-get", *options, "update"], folder)
        said = _run(["apt-get", *options, "download", package], folder)
        if found := sorted(folder.glob(f"{package}_*.deb")):
            shutil.rmtree(folder / "apt", ignore_errors=True)
            return found[-1]
    raise DownloadError(f"apt-get could not download {package}: {said.strip()[-300:]}")


def _unpack_package(corpus: Corpus) -> str:
    """Download the Debian package of a corpus and extract its recordings. Raises DownloadError if this fails."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise DownloadError("this machine has no apt-get and dpkg-deb, the package client of Debian and Ubuntu")
    package = _download_package(corpus.entry["package"], corpus.folder)
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as unpack, tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
            count = _extract_recordings(corpus, archive)
    except tarfile.TarError as error:
        raise DownloadError(f"{package.name} could not be unpacked ({error})") from error
    if unpack.returncode or not count:
        raise DownloadError(f"{package.name} could not be unpacked")
    package.unlink()
    return f"package {package.stem}"


def _make_room(corpus: Corpus) -> None:
    """Delete what an unfinished unpacking has left, and set its mark. Recordings of a user are moved beside the corpus' folder."""
    folder, mark = corpus.folder / corpus.entry["inside"], corpus.folder / UNPACKING
    if mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        aside = corpus.folder.with_name(f"{corpus.name}-aside")
        aside.mkdir(exist_ok=True)
        moved = files.move_aside(folder, aside)
        warnings.warn(
            f"The files in {paths.shown(folder)} are not the ones of the package or archive. They are now in {paths.shown(moved)}.",
            StudyWarning,
            stacklevel=2,
        )
    mark.touch()


def _fetch_package(corpus: Corpus) -> str:
    """Use the package folder if it was put here by hand, else the Debian package. Raises CorpusError if both fail."""
    entry = corpus.entry
    by_hand = corpus.folder / entry["inside"]
    if content_hash(by_hand, _wanted(corpus)) == entry["content_sha256"]:
        return f"{entry['package']} {entry['version']}, laid by hand"
    try:
        return _unpack_package(corpus)
    except DownloadError as error:
        other = f". The files that are there now are not the whole of version {entry['version']}" if by_hand.exists() else ""
        raise CorpusError(
            f"{corpus.name} is available only as the Debian package {entry['package']}, which could not be fetched: {error}. "
            f"By hand: unpack version {entry['version']} of that package (dpkg-deb -x; elsewhere ar x, then tar xf data.tar.xz), "
            f"put its folder {entry['folder']} into {paths.shown(corpus.folder)}/, and run again{other}."
        ) from error


def _fetch_tuxpaint(corpus: Corpus) -> str:
    """Use the Debian package if there is a package client, else the upstream archive, also if it was put here by hand."""
    tarball = corpus.folder / corpus.entry["archive"]
    problem = ""
    if not tarball.exists():
        try:
            return _unpack_package(corpus)
        except DownloadError as error:
            problem = f"{error}\n"
    try:
        download.fetch(corpus.entry["upstream"], tarball, size=corpus.entry["archive_bytes"])
    except DownloadError as error:
        raise DownloadError(f"{problem}{error}") from error
    try:
        with tarfile.open(tarball) as archive:
            count = _extract_recordings(corpus, archive)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise DownloadError(f"{tarball.name} is damaged ({reason}): delete it and start again") from error
    got, known = content_hash(corpus.folder / "stamps"), corpus.entry["content_sha256"]
    if got != known:
        raise DownloadError(
            f"the {count} recordings in {tarball.name} are not those of the registry (SHA-256 {got[:12]}..., expected {known[:12]}...). "
            "Delete it and start again, or use it as a folder of your own: --corpus FOLDER."
        )
    return f"archive {tarball.name}"


def samples_hash(folder: Path, speakers: set[str]) -> tuple[str, int]:
    """Return a SHA-256 of the names and 16-bit samples of all recordings of some speakers, and the number of recordings.

    It is the same for WAV and FLAC. A recording that cannot be read makes another hash.
    """
    digest, count = hashlib.sha256(), 0
    wanted = [p for s in speakers for p in (folder / s).glob("*") if p.suffix.lower() in corpora.AUDIO_SUFFIXES and p.name[0] != "."]
    for path in sorted(wanted, key=lambda p: p.relative_to(folder).with_suffix("").as_posix()):
        try:
            samples, rate = sf.read(path, dtype="int16")
        except sf.LibsndfileError:
            samples, rate = np.zeros(0, dtype=np.int16), 0
        name = path.relative_to(folder).with_suffix("").as_posix()
        digest.update(f"{name} {rate} {hashlib.sha256(samples.astype('<i2').tobytes()).hexdigest()}\n".encode())
        count += 1
    return digest.hexdigest(), count


def _fetch_archive(corpus: Corpus) -> str:
    """Use the recordings if they were put here by hand, else download a zip archive and extract those of the wanted speakers.

    Raises
    ------
    CorpusError : recordings were put here that are not all of the registry's.
    DownloadError : the archive cannot be downloaded, or is not the one of the registry.
    """
    entry, mark = corpus.entry, corpus.folder / UNPACKING
    archive = corpus.folder / entry["archive"]
    speakers, known = _wanted(corpus), entry.get("samples_sha256")
    if known and not mark.exists():
        got, count = samples_hash(corpus.folder, speakers)
        if got == known:
            return "laid by hand"
        if count:
            raise CorpusError(
                f"{paths.shown(corpus.folder)} holds {count} recordings that are not exactly those of {corpus.name}: some are missing, "
                f"changed or new. Put all of them there, or move them away and start again to download {entry['archive']}."
            )
    size = entry.get("archive_bytes")
    download.fetch(entry["urls"], archive, checksum=entry.get("checksum"), size=size)
    mark.touch()
    try:
        with zipfile.ZipFile(archive) as z:
            pending = {}
            for target, member in _members(corpus, z):
                if not (target.exists() and target.stat().st_size == member.file_size):
                    pending[target] = member
            download.require_space(corpus.folder, sum(m.file_size for m in pending.values()), f"extracting {corpus.name}")
            for target, member in pending.items():
                with z.open(member) as source:
                    _extract(target, source)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DownloadError(f"{archive.name} is damaged ({error}): delete it and start again") from error
    if known:
        got, count = samples_hash(corpus.folder, speakers)
        if got != known:
            raise DownloadError(
                f"the {count} recordings in {archive.name} are not those of the registry (SHA-256 {got[:12]}..., "
                f"expected {known[:12]}...). Delete {paths.shown(corpus.folder)} and start again."
            )
    return f"archive {archive.name}"


def _members(corpus: Corpus, archive: zipfile.ZipFile) -> list[tuple[Path, zipfile.ZipInfo]]:
    """Return the target file and the member of each recording to extract, and of the licence."""
    entry, found = corpus.entry, []
    wanted = None if "others" in entry else _wanted(corpus)
    for member in sorted(archive.infolist(), key=lambda m: m.filename):
        if match := re.search(entry["member"], member.filename):
            target = corpus.folder / match.expand(entry["target"])
            if wanted is None or target.parent.name in wanted:
                found.append((target, member))
    found = [(t, m) for t, m in found[:: entry.get("every", 1)] if t.parent.name not in entry.get("left_out_speakers", ())]
    licences = [m for m in archive.infolist() if Path(m.filename).name in LICENCES and m.filename.count("/") < 2]
    return found + [(corpus.folder / Path(m.filename).name, m) for m in licences]


def _make_synthetic(corpus: Corpus) -> str:
    """Write recordings of synthetic speakers, each with a different pitch; they are the same for the same NumPy and SciPy."""
    for i, speaker in enumerate(sorted(_wanted(corpus))):
        rng = np.random.default_rng([2021, i])
        for j in range(corpus.entry["utterances"]):
            x = signals.synthetic_speech(corpus.entry["seconds"], SR_HIGH, rng, pitch_hz=100 + 20 * i)
            with files.atomic_write(corpus.folder / speaker / f"{speaker}_{j:02d}.flac") as path:
                sf.write(path, x, SR_HIGH, format="FLAC", subtype="PCM_16")
    return "audiosr_lib.signals.synthetic_speech"
