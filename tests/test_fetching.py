"""Fetching each kind of corpus: from a local server, by a package client, from an archive put there by hand, or not at all."""

import copy
import gzip
import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from local_server import closed_port, serving

from audiosr_lib.base import files, paths
from audiosr_lib.base.errors import StudyWarning
from audiosr_lib.data import corpora, download, fetching
from audiosr_lib.data.corpora import SPLITS, CorpusError
from audiosr_lib.data.download import DownloadError


@pytest.fixture
def server():
    with serving() as s:
        yield s


@pytest.fixture
def table(monkeypatch):
    """A registry of this test's own, to be changed at will; no package client, no pauses."""
    entries = copy.deepcopy(corpora.registry())
    monkeypatch.setattr(corpora, "registry", lambda: entries)
    monkeypatch.setattr(fetching.shutil, "which", lambda _: None)
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    return entries


@pytest.fixture
def client(monkeypatch):
    """A machine with a package client of this test's own: `client` gets package name -> .deb content."""
    packages = {}

    def run(command, folder):
        if command[-1] in packages:
            (folder / f"{command[-1]}_1_all.deb").write_bytes(packages[command[-1]])
        return "E: Unable to locate package"

    class Unpack(subprocess.Popen):
        def __init__(self, command, **options):
            super().__init__(["cat", command[-1]], **options)  # these packages are bare tar files

    monkeypatch.setattr(fetching.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(fetching, "_run", run)
    monkeypatch.setattr(fetching.subprocess, "Popen", Unpack)
    return packages


# --- a folder of one's own -----------------------------------------------------------------------


def test_a_folder_is_used_where_it_is(recordings):
    corpus = corpora.open_corpus(str(recordings))
    assert fetching.fetch(corpus) == recordings
    assert not paths.raw(corpus.name).exists()


def test_unreadable_folder(recordings, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(CorpusError, match=r"cannot read the folder voices: Permission denied\. Check its path and permissions"):
        fetching.fetch(corpora.open_corpus(str(recordings)))


# --- nothing to be had ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tuxpaint", "vctk"])
def test_no_network_and_no_corpus_names_three_ways(table, name, monkeypatch):
    monkeypatch.setattr(download, "require_space", lambda *_: None)
    table[name]["upstream" if name == "tuxpaint" else "urls"] = [f"{closed_port()}/archive"]
    corpus = corpora.open_corpus(name)
    with pytest.raises(CorpusError) as caught:
        fetching.fetch(corpus)
    said = str(caught.value)
    ways = (
        "1. tuxpaint",
        "2. another corpus",
        "3. your own",
        "--profile smoke",
        "data/raw/tuxpaint/",
        "VCTK-Corpus-0.92.zip",
        "three sub-folders",
    )
    for way in ways:
        assert way in said
    assert f"What was tried for {name}" in said and "ConnectionError" in said
    assert not (corpus.folder / "fetched.json").exists()


# --- synthetic -----------------------------------------------------------------------------------


def test_synthetic_is_made_once_and_always_the_same(table, monkeypatch):
    table["synthetic"] |= {"utterances": 1, "seconds": 0.2}
    corpus = corpora.open_corpus("synthetic")
    first = corpora.content_hash(fetching.fetch(corpus))
    with monkeypatch.context() as patch:  # to undo everything would undo AUDIOSR_HOME, too
        patch.setattr(fetching, "_make_synthetic", None)  # a second call must not make it again
        fetching.fetch(corpus)
    entry = corpora.registry()["synthetic"] | {"utterances": 1, "seconds": 0.2}
    again = corpora.Corpus("again", entry, paths.raw("again"))
    assert corpora.content_hash(fetching.fetch(again)) == first
    assert {r.split for r in corpora.list_recordings(again)} == set(SPLITS)


# --- tuxpaint ------------------------------------------------------------------------------------

STAMPS = {f"animals/frog_desc_{s}.ogg": s.encode() * 50 for s in ("bg", "es", "ru", "ro", "be", "da", "fr", "nl")}
STAMPS["animals/birds/owl_desc.ogg"] = b"english"


def tarball(stamps: dict[str, bytes]) -> bytes:
    """An archive laid out as upstream's: a versioned folder, pictures and sound effects beside the descriptions."""
    out = io.BytesIO()
    other = {"stamps/animals/frog.ogg": b"croak", "stamps/animals/frog_desc_xx.ogg": b"unwanted", "stamps/animals/frog.png": b"png"}
    members = {"docs/COPYING.txt": b"GPL"} | other | {f"stamps/{n}": c for n, c in stamps.items()}
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"tuxpaint-stamps-2022.06.04/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def tuxpaint(table, server):
    """The registry's tuxpaint with a tiny archive on the local server and that archive's own content hash."""
    digest = hashlib.sha256()
    for name in sorted(STAMPS):
        digest.update(f"{name} {hashlib.sha256(STAMPS[name]).hexdigest()}\n".encode())
    table["tuxpaint"] |= {"upstream": [server.add("stamps.tar.gz", tarball(STAMPS))], "archive_bytes": 1000}
    table["tuxpaint"]["content_sha256"] = digest.hexdigest()
    return corpora.open_corpus("tuxpaint")


def check_stamps(corpus):
    got = {p.relative_to(corpus.folder / "stamps").as_posix(): p.read_bytes() for p in corpus.folder.rglob("*.ogg")}
    assert got == STAMPS  # the descriptions of known speakers, and neither sound effects nor pictures
    assert (corpus.folder / "COPYING.txt").read_bytes() == b"GPL"
    assert (corpus.folder / "fetched.json").exists()


def test_tuxpaint_from_upstream(tuxpaint, server):
    fetching.fetch(tuxpaint)
    check_stamps(tuxpaint)
    fetching.fetch(tuxpaint)
    assert len(server.log) == 1


def test_tuxpaint_laid_by_hand(tuxpaint, server):
    tuxpaint.folder.mkdir(parents=True)
    (tuxpaint.folder / tuxpaint.entry["archive"]).write_bytes(tarball(STAMPS))
    fetching.fetch(tuxpaint)
    check_stamps(tuxpaint)
    assert server.log == []


def test_recordings_beside_an_archive_laid_by_hand_are_moved_not_deleted(tuxpaint):
    (tuxpaint.folder / "stamps").mkdir(parents=True)
    (tuxpaint.folder / "stamps" / "mine_desc_fr.ogg").write_bytes(b"mine")
    (tuxpaint.folder / tuxpaint.entry["archive"]).write_bytes(tarball(STAMPS))
    with pytest.warns(StudyWarning, match=r"data/raw/tuxpaint/stamps are not the ones .*data/raw/tuxpaint-aside/stamps\.old"):
        fetching.fetch(tuxpaint)
    check_stamps(tuxpaint)
    assert (tuxpaint.folder.with_name("tuxpaint-aside") / "stamps.old" / "mine_desc_fr.ogg").read_bytes() == b"mine"


def test_tuxpaint_of_other_content_is_refused(tuxpaint, server):
    server.add("stamps.tar.gz", tarball(STAMPS | {"animals/frog_desc_fr.ogg": b"someone else"}))
    with pytest.raises(CorpusError, match=r"the 9 recordings in .* are not those of the registry .*Delete it and start again"):
        fetching.fetch(tuxpaint)
    assert not (tuxpaint.folder / "fetched.json").exists()


@pytest.mark.parametrize("damage", ["cut", "stored bytes", "compressed bytes", "check sum", "not an archive", "a file too many"])
def test_bad_tarball_is_refused_and_a_good_one_taken(tuxpaint, server, damage):
    rng = np.random.default_rng(0)
    noise = rng.bytes(50_000) if damage == "stored bytes" else rng.integers(0, 9, 50_000, dtype=np.uint8).tobytes()
    whole = tarball(STAMPS | {"animals/noise_desc_fr.ogg": noise})
    flip = slice(-8, None) if damage == "check sum" else slice(12_000, 12_100)
    flipped = bytearray(whole)
    flipped[flip] = bytes(b ^ 0xFF for b in flipped[flip])
    bad = {"cut": whole[:12_000], "not an archive": b"<html>" * 100, "a file too many": whole}.get(damage, bytes(flipped))
    server.add("stamps.tar.gz", bad)
    with pytest.raises(CorpusError, match=r"tuxpaint-stamps-2022\.06\.04\.tar\.gz .*[Dd]elete it and start again"):
        fetching.fetch(tuxpaint)
    assert not (tuxpaint.folder / "fetched.json").exists()
    (tuxpaint.folder / tuxpaint.entry["archive"]).write_bytes(tarball(STAMPS))
    fetching.fetch(tuxpaint)
    check_stamps(tuxpaint)


def test_package_client_with_and_without_lists(tmp_path, monkeypatch):
    said = []

    def run(command, folder):
        said.append(command)
        if "download" in command and any("Dir::State" in part for part in command):
            (folder / "stamps_1_all.deb").write_bytes(b"deb")
            return ""
        return "E: Unable to locate package stamps" if "download" in command else ""

    monkeypatch.setattr(fetching, "_run", run)
    assert fetching._download_package("stamps", tmp_path).name == "stamps_1_all.deb"
    assert [c[-1] for c in said] == ["stamps", "update", "stamps"]  # asked, lists fetched into a folder of our own, asked again
    assert [p.name for p in tmp_path.iterdir()] == ["stamps_1_all.deb"]
    monkeypatch.setattr(fetching, "_run", lambda command, folder: "E: no such package" if "download" in command else "")
    with pytest.raises(DownloadError, match="apt-get could not download stamps: E: no such package"):
        fetching._download_package("stamps", tmp_path / "nothing")


def test_package_client_that_fails_leads_to_upstream(tuxpaint, monkeypatch):
    def fail(*_):
        raise DownloadError("apt-get could not download it")

    monkeypatch.setattr(fetching.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(fetching, "_download_package", fail)
    fetching.fetch(tuxpaint)
    check_stamps(tuxpaint)


# --- packages that are only tested on ------------------------------------------------------------

SOUNDS = {"ru/alpha/a.ogg": b"a", "ru/syllab/ba.ogg": b"ba", "en/alpha/a.ogg": b"ei"}


def package(sounds: dict[str, bytes]) -> bytes:
    """The file system of a package, with a language that is not wanted, pictures and documentation beside the sounds."""
    other = {"klettres/fr/alpha/a.ogg": b"unwanted", "klettres/ru/sounds.xml": b"<xml>", "doc/klettres-data/copyright": b"GPL-2+"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (other | {f"klettres/{n}": c for n, c in sounds.items()}).items():
            info = tarfile.TarInfo(f"./usr/share/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def klettres(table):
    """The registry's klettres, whose recordings are SOUNDS."""
    digest = hashlib.sha256()
    for name in sorted(SOUNDS):
        digest.update(f"{name} {hashlib.sha256(SOUNDS[name]).hexdigest()}\n".encode())
    table["klettres"]["content_sha256"] = digest.hexdigest()
    return corpora.open_corpus("klettres")


def lay(corpus, sounds):
    for name, content in sounds.items():
        (corpus.folder / "klettres" / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus.folder / "klettres" / name).write_bytes(content)


def sounds_of(corpus):
    return {p.relative_to(corpus.folder / "klettres").as_posix(): p.read_bytes() for p in corpus.folder.rglob("*.*") if p.suffix == ".ogg"}


def test_package_by_the_client(klettres, client):
    client["klettres-data"] = package(SOUNDS)
    lay(klettres, {"ru/alpha/old.ogg": b"of an earlier release"})
    with pytest.warns(StudyWarning, match=r"data/raw/klettres/klettres are not the ones .*data/raw/klettres-aside/klettres\.old"):
        fetching.fetch(klettres)
    aside = klettres.folder.with_name("klettres-aside") / "klettres.old" / "ru" / "alpha" / "old.ogg"
    assert aside.read_bytes() == b"of an earlier release"  # a user's file is not deleted
    assert sounds_of(klettres) == SOUNDS
    assert (klettres.folder / "copyright").read_bytes() == b"GPL-2+"
    assert sorted(p.name for p in klettres.folder.iterdir()) == ["copyright", "fetched.json", "klettres"]
    listed = corpora.list_recordings(klettres)
    assert {(r.speaker, r.split) for r in listed} == {("ru", "test"), ("en", "test")}
    client.clear()
    fetching.fetch(klettres)  # finds what is there


def test_an_interrupted_unpacking_is_done_again(klettres, client, monkeypatch):
    client["klettres-data"] = package(SOUNDS)
    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(fetching, "_extract", interrupted_at("ba.ogg"))
        fetching.fetch(klettres)
    fetching.fetch(klettres)
    assert sounds_of(klettres) == SOUNDS
    assert not klettres.folder.with_name("klettres-aside").exists()


def interrupted_at(name):
    """`fetching._extract`, interrupted before it writes the file of this name."""
    really = fetching._extract

    def extract(target, source):
        if target.name == name:
            raise KeyboardInterrupt
        really(target, source)

    return extract


def test_tuxpaint_by_the_client(tuxpaint, client, server):
    client["tuxpaint-stamps-default"] = gzip.decompress(tarball(STAMPS))
    fetching.fetch(tuxpaint)
    check_stamps(tuxpaint)
    assert server.log == []


@pytest.mark.parametrize(
    "content",
    [b"", b"not a package" * 100, package(SOUNDS)[:3400], package({})],
    ids=["empty", "no archive", "cut", "none of the languages"],
)
def test_package_that_cannot_be_unpacked(klettres, client, content):
    client["klettres-data"] = content
    with pytest.raises(CorpusError, match=r"klettres-data_1_all\.deb could not be unpacked.* By hand: unpack version 22\.12\.3"):
        fetching.fetch(klettres)
    assert not (klettres.folder / "fetched.json").exists()


@pytest.mark.parametrize("laid", [{}, {"ru/alpha/a.ogg": b"a"}], ids=["nothing", "a part"])
def test_package_without_a_client_names_the_way_by_hand(klettres, laid):
    lay(klettres, laid)
    with pytest.raises(CorpusError) as caught:
        fetching.fetch(klettres)
    said = str(caught.value)
    by_hand = "put its folder usr/share/klettres into data/raw/klettres/"
    for part in ("Debian package klettres-data", "no apt-get and dpkg-deb", "version 22.12.3", by_hand):
        assert part in said
    assert ("not the whole of version 22.12.3" in said) == bool(laid)
    assert "three ways" not in said and not (klettres.folder / "fetched.json").exists()


def test_package_laid_by_hand(klettres):
    lay(klettres, SOUNDS | {"fr/alpha/a.ogg": b"unwanted"})
    fetching.fetch(klettres)
    assert {r.name for r in corpora.list_recordings(klettres) if r.split} == {f"klettres/{n}" for n in SOUNDS}


# --- vctk ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vctk_archive() -> tuple[bytes, dict[str, bytes]]:
    """A tiny archive of VCTK's layout, and what shall come out of it."""
    rng = np.random.default_rng(9)
    out, wanted = io.BytesIO(), {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("license_text", "CC BY 4.0")
        z.writestr("wav48_silence_trimmed/log.txt", "trimmed")
        for speaker in ("p225", "p226", "p280", "p315", "p360", "s5"):
            z.writestr(f"txt/{speaker}/{speaker}_001.txt", "Please call Stella.")
            for utterance in ("001", "002"):
                for mic in ("mic1", "mic2"):
                    audio = io.BytesIO()
                    sf.write(audio, 0.1 * rng.standard_normal(2400), 48000, format="FLAC")
                    z.writestr(f"wav48_silence_trimmed/{speaker}/{speaker}_{utterance}_{mic}.flac", audio.getvalue())
                    if mic == "mic1" and speaker not in ("p280", "p315"):
                        wanted[f"{speaker}/{speaker}_{utterance}_mic1.flac"] = audio.getvalue()
    return out.getvalue(), wanted


@pytest.fixture
def vctk(table, server, vctk_archive):
    content = vctk_archive[0]
    table["vctk"] |= {
        "urls": [f"{server.base}/moved.zip", server.add("vctk.zip", content)],
        "archive_bytes": len(content),
        "checksum": "sha256:" + hashlib.sha256(content).hexdigest(),
    }
    return corpora.open_corpus("vctk")


def on_disk(corpus):
    return {p.relative_to(corpus.folder).as_posix(): p.read_bytes() for p in corpus.folder.rglob("*.flac")}


def test_vctk_only_microphone_one_of_the_speakers_used(vctk, server, vctk_archive):
    server.resources["/vctk.zip"].cuts = [20_000]
    fetching.fetch(vctk)
    assert on_disk(vctk) == vctk_archive[1]
    assert not any("p280" in n or "p315" in n or "mic2" in n for n in on_disk(vctk))
    assert [s.status for s in server.log] == [404, 200, 206]  # a mirror that has moved, a cut line, the rest
    listed = corpora.list_recordings(vctk)
    assert {r.speaker: r.split for r in listed} == {"p225": "train", "p226": "validation", "p360": "test", "s5": "test"}
    fetching.fetch(vctk)
    assert len(server.log) == 3


def test_vctk_interrupted_extraction_goes_on(vctk, server, vctk_archive, monkeypatch):
    extract, done = fetching._extract, []

    def counted(target, source, stop=None):
        if stop is not None and len(done) == stop:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(target.name + ".part").write_bytes(b"half")  # what a killed process leaves
            raise KeyboardInterrupt
        done.append(target.name)
        extract(target, source)

    monkeypatch.setattr(fetching, "_extract", lambda t, s: counted(t, s, stop=3))
    with pytest.raises(KeyboardInterrupt):
        fetching.fetch(vctk)
    assert not (vctk.folder / "fetched.json").exists() and len(on_disk(vctk)) == 3
    monkeypatch.setattr(fetching, "_extract", counted)
    fetching.fetch(vctk)
    assert len(done) == len(set(done)) == len(vctk_archive[1])  # none twice
    assert on_disk(vctk) == vctk_archive[1]
    assert len([s for s in server.log if s.path == "/vctk.zip"]) == 1  # nor fetched again


def test_vctk_of_wrong_bytes_is_refused(vctk, server, table):
    table["vctk"]["checksum"] = "sha256:" + "0" * 64
    with pytest.raises(CorpusError, match="wrong SHA256"):
        fetching.fetch(vctk)
    assert not any(p.name.startswith("VCTK") for p in vctk.folder.iterdir())


@pytest.mark.parametrize("damage", ["cut", "flipped"])
@pytest.mark.parametrize("known", [True, False], ids=["known hash", "hash of the damaged file"])
def test_vctk_damaged_archive_laid_by_hand(vctk, vctk_archive, table, damage, known):
    content = bytearray(vctk_archive[0])
    if damage == "cut":
        content = content[:-5000]
    else:
        first = content.find(b"p225_001_mic1.flac") + 200
        content[first : first + 50] = bytes(50)
    vctk.folder.mkdir(parents=True)
    (vctk.folder / vctk.entry["archive"]).write_bytes(content)
    said = r"is not the file of the registry .*\n?.*Delete it and start again"
    if not known:  # what the hash lets pass, the archive's own checksums catch
        table["vctk"]["checksum"] = "sha256:" + hashlib.sha256(content).hexdigest()
        said = r"VCTK-Corpus-0\.92\.zip is damaged .*delete it and start again"
    with pytest.raises(CorpusError, match=said):
        fetching.fetch(vctk)
    assert not (vctk.folder / "fetched.json").exists()


def test_full_disk_while_extracting(vctk, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.files, "copy_stream", full)
    with pytest.raises(CorpusError, match=r"cannot write p225_001_mic1\.flac: No space left on device\. Free some space"):
        fetching.fetch(vctk)
    assert not (vctk.folder / "fetched.json").exists()


def test_recordings_deleted_after_fetching(vctk):
    fetching.fetch(vctk)
    for p in vctk.folder.rglob("s5_*"):
        p.unlink()
    for p in vctk.folder.rglob("p360_*"):
        p.unlink()
    with pytest.raises(CorpusError, match=r"split\(s\) test is on disk.*fetched\.json"):
        corpora.list_recordings(vctk)


# --- archives of recordings whose samples are known ----------------------------------------------


def tiny(name: str, rng: np.random.Generator) -> tuple[bytes, dict[str, np.ndarray]]:
    """A tiny archive of a corpus' layout, and the samples of the recordings that shall come out of it."""
    members = {
        "ravdess": [f"Actor_{a:02d}/03-01-0{e}-01-01-01-{a:02d}.wav" for a in (1, 2, 17, 19) for e in (1, 2)],
        "alnum": [f"repo-6c9a/audio_data/{kind}/{s}.wav" for kind in ("Names", "Numbers", "Addresses")
                  for s in ("R_15Rh8IA5GvyzCIF", "R_1DN3Yy2ILEefmz8", "R_7QGd13jsljnaCbY", "R_narrow")],
        "czech-ph": [f"voice-czech-ph-master/wav/ph{i:04d}.wav" for i in range(7)],
    }[name]  # fmt: skip
    others = ["repo/README.md", "repo/audio_data/Names/R_15Rh8IA5GvyzCIF.m4a", "voice-czech-ph-master/lab/ph0001.lab", "x/__MACOSX/._a.wav"]
    out, samples = io.BytesIO(), {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("top/LICENSE", "licence")
        for other in others:
            z.writestr(other, "no sound")
        for member in reversed(members):  # the order in the archive must not matter
            samples[member] = rng.integers(-3000, 3000, size=(400, 1 + members.index(member) % 2), dtype=np.int16)
            wav = io.BytesIO()
            sf.write(wav, samples[member], 48000, format="WAV", subtype="PCM_16")
            z.writestr(member, wav.getvalue())
    wanted = {}
    for m in members[:: 3 if name == "czech-ph" else 1]:
        parts = m.split("/")
        target = {"ravdess": m, "alnum": f"{parts[-1][:-4]}/{parts[-2]}_{parts[-1]}", "czech-ph": f"ph/{parts[-1]}"}[name]
        if "narrow" not in target:
            wanted[target.removesuffix(".wav")] = samples[m]
    return out.getvalue(), wanted


@pytest.fixture(params=["ravdess", "alnum", "czech-ph"])
def known(request, table, server):
    """A corpus whose archive is tiny, and the samples of its recordings by name."""
    content, samples = tiny(request.param, np.random.default_rng(5))
    digest = hashlib.sha256()  # written out again, as an oracle
    for name, x in sorted(samples.items()):
        x = x[:, 0] if x.shape[1] == 1 else x
        digest.update(f"{name} 48000 {hashlib.sha256(x.tobytes()).hexdigest()}\n".encode())
    table[request.param] |= {
        "urls": [f"{server.base}/moved.zip", server.add("a.zip", content)],
        "archive_bytes": len(content),
        "checksum": "md5:" + hashlib.md5(content).hexdigest(),
        "samples_sha256": digest.hexdigest(),
    }
    return corpora.open_corpus(request.param), samples


def lay_recordings(corpus, samples, suffix=".flac"):
    for name, x in samples.items():
        file = corpus.folder / f"{name}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        sf.write(file, x, 48000, subtype="PCM_16")


def test_archive_is_fetched_and_verified(known, server):
    corpus, samples = known
    server.resources["/a.zip"].cuts = [2000]
    fetching.fetch(corpus)
    found = {
        p.relative_to(corpus.folder).with_suffix("").as_posix(): sf.read(p, dtype="int16", always_2d=True)[0]
        for p in corpus.folder.rglob("*.wav")
    }
    assert found.keys() == samples.keys() and all(np.array_equal(found[n], samples[n]) for n in samples)
    assert (corpus.folder / "LICENSE").read_text() == "licence" and not (corpus.folder / fetching.UNPACKING).exists()
    assert {r.split for r in corpora.list_recordings(corpus)} == set(corpus.splits)
    asked = len(server.log)
    fetching.fetch(corpus)
    assert len(server.log) == asked


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_recordings_laid_by_hand_need_no_network(known, table, suffix):
    corpus, samples = known
    lay_recordings(corpus, samples, suffix)
    (corpus.folder / next(iter(samples))).with_name("._hidden.wav").write_bytes(b"of macOS")
    table[corpus.name]["urls"] = [f"{closed_port()}/a.zip"]
    fetching.fetch(corpus)
    assert files.read_json(corpus.folder / "fetched.json")["how"] == "laid by hand"


@pytest.mark.parametrize("fault", ["missing", "changed", "new"])
def test_recordings_laid_by_hand_are_the_whole_corpus(known, server, fault):
    corpus, samples = known
    lay_recordings(corpus, samples)
    first = corpus.folder / f"{next(iter(samples))}.flac"
    if fault == "missing":
        first.unlink()
    elif fault == "changed":
        first.write_bytes(b"no sound")
    else:
        (first.parent / "another.wav").write_bytes(first.read_bytes())
    count = sum(1 for p in corpus.folder.rglob("*.*"))
    with pytest.raises(CorpusError, match=rf"data/raw/{corpus.name} holds {count} recordings that are not exactly those of {corpus.name}"):
        fetching.fetch(corpus)
    assert server.log == [] and sum(1 for p in corpus.folder.rglob("*.*")) == count  # nothing is lost


def test_archive_of_other_recordings_is_refused(known, table):
    corpus, _ = known
    table[corpus.name]["samples_sha256"] = "0" * 64
    for _ in range(2):  # nor does a second start take them
        with pytest.raises(CorpusError, match=r"are not those of the registry \(SHA-256 .*\)\. Delete data/raw/.* and start again"):
            fetching.fetch(corpus)
    assert not (corpus.folder / "fetched.json").exists()


def test_interrupted_extraction_of_an_archive_goes_on(known, monkeypatch):
    corpus, samples = known
    extract, done = fetching._extract, []

    def stopping(target, source):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(target)
        extract(target, source)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fetching, "_extract", stopping)
        fetching.fetch(corpus)
    fetching.fetch(corpus)
    assert len(list(corpus.folder.rglob("*.wav"))) == len(samples)


def test_a_part_that_cannot_be_had_is_named(table):
    table["ravdess"] |= {"urls": [f"{closed_port()}/a.zip"], "archive_bytes": 1}
    with pytest.raises(CorpusError, match=r"What was tried for ravdess:\s+could not download Audio_Speech_Actors_01-24\.zip"):
        fetching.fetch(corpora.open_corpus("ravdess+synthetic"))
