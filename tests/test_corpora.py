"""The registry, the splits by speaker, and the recordings of a corpus."""

import hashlib
import os
import re
import shutil
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from helpers import write_speaker
from hypothesis import given
from hypothesis import strategies as st

from audiosr_lib.base import paths
from audiosr_lib.base.errors import NotPrepared
from audiosr_lib.data import corpora, dataset, options, preparation
from audiosr_lib.data.corpora import SPLITS, CorpusError

# --- registry and splits -------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(corpora.entries()))
def test_every_speaker_of_the_registry_is_in_one_split_only(name):
    entry = corpora.registry()[name]
    named = [s for members in entry["splits"].values() for s in members]
    elsewhere = [*entry.get("candidates", ()), *entry.get("left_out_speakers", ())]
    assert len(set(named)) == len(named)
    assert not set(named) & set(elsewhere)
    assert set(entry["splits"]) <= set(SPLITS) and entry["licence"] and entry["source"]


def test_vctk_is_split_as_the_field_has_it():
    corpus = corpora.open_corpus("vctk")
    split = corpora.split_speakers(corpus, ["p225", "p226", "p280", "p315", "p360", "s5"])
    assert split == {"p225": "train", "p226": "validation", "p280": None, "p315": None, "p360": "test", "s5": "test"}
    assert sorted(corpus.entry["splits"]["test"]) == ["p360", "p361", "p362", "p363", "p364", "p374", "p376", "s5"]


def test_a_speaker_unknown_to_tuxpaint_is_in_no_split():
    split = corpora.split_speakers(corpora.open_corpus("tuxpaint"), ["es", "ro", "fr", "nl", "xx"])
    assert split == {"es": "train", "ro": "validation", "fr": "test", "nl": None, "xx": None}


def test_missing_split_is_named():
    with pytest.raises(CorpusError, match=r"no speaker of the split\(s\) validation, test is on disk"):
        corpora.split_speakers(corpora.open_corpus("tuxpaint"), ["es", "ru"])


def test_only_test_is_needed_where_the_registry_names_no_other(monkeypatch):
    table = corpora.registry()
    monkeypatch.setattr(corpora, "registry", lambda: table)
    entries = {name: entry for name, entry in table.items() if name != "keep"}
    only_tested = {name for name, entry in entries.items() if corpora.splits_of(entry) == ("test",)}
    assert only_tested == {"klettres", "ktuberling"} and corpora.splits_of(entries["czech-ph"]) == ("train",)
    assert all(corpora.splits_of(entries[name]) == SPLITS for name in set(entries) - only_tested - {"czech-ph"})
    assert corpora.split_speakers(corpora.open_corpus("klettres"), ["ru", "fr"]) == {"ru": "test", "fr": None}
    with pytest.raises(CorpusError, match=r"no speaker of the split\(s\) test is on disk"):
        corpora.split_speakers(corpora.open_corpus("klettres"), ["fr"])
    del table["synthetic"]["splits"]["validation"]  # to train on two splits of three is still refused
    with pytest.raises(CorpusError, match=r"no speaker of the split\(s\) validation is on disk"):
        corpora.split_speakers(corpora.open_corpus("synthetic"), ["syn1", "syn4", "syn5"])


@given(st.sets(st.text("abcdefghij0123456789", min_size=1, max_size=6), min_size=3, max_size=60))
def test_folder_splits_are_disjoint_and_whole(speakers):
    corpus = corpora.Corpus("folder-x", corpora.registry()["folder"], Path("x"))
    split = corpora.split_speakers(corpus, speakers)
    assert set(split) == speakers and set(split.values()) == set(SPLITS)  # a speaker has one split, every split a speaker
    assert split == corpora.split_speakers(corpus, sorted(speakers, reverse=True) * 2)  # order and repetition do not matter
    shares = [list(split.values()).count(s) for s in ("test", "validation")]
    assert shares == [max(1, round(0.2 * len(speakers))), max(1, round(0.1 * len(speakers)))]


def test_unknown_name_lists_the_names():
    with pytest.raises(CorpusError, match=r"called 'vtck': choose ravdess, alnum, tuxpaint, vctk, synthetic, or give an existing folder"):
        corpora.open_corpus("vtck")


@pytest.mark.parametrize(("file", "speaker"), [("frog_desc_be.ogg", "be"), ("frog_desc.ogg", "en"), ("my_desc_frog_desc_es.ogg", "es")])
def test_speaker_of_a_tuxpaint_file(file, speaker):
    corpus = corpora.open_corpus("tuxpaint")
    assert corpora.speaker_of(corpus, corpus.folder / "stamps" / "animals" / file) == speaker


# --- a folder of one's own -----------------------------------------------------------------------


def test_folder_corpus(recordings):
    corpus = corpora.open_corpus(str(recordings))
    listed = corpora.list_recordings(corpus)
    assert len(listed) == 12 and [r.name for r in listed] == sorted(r.name for r in listed)
    assert {r.speaker for r in listed} == {"ann", "ben", "cat", "dan"}
    by_split = {s: {r.speaker for r in listed if r.split == s} for s in SPLITS}
    assert sum(map(len, by_split.values())) == 4 and all(by_split.values())


def test_folders_of_one_name_are_two_corpora(tmp_path):
    for parent in ("a", "b"):
        (tmp_path / parent / "my voices!").mkdir(parents=True)
    names = [corpora.open_corpus(str(tmp_path / p / "my voices!")).name for p in ("a", "b")]
    assert names[0] != names[1] and all(n.startswith("folder-my-voices-") for n in names)


def test_fewer_than_three_speakers_are_refused(tmp_path):
    for speaker in ("ann", "ben"):
        write_speaker(tmp_path / "two", speaker, 1, seconds=0.1)
    with pytest.raises(CorpusError, match=r"two has 2 speaker\(s\) \(ann, ben\): training, validation and test must not share one"):
        corpora.list_recordings(corpora.open_corpus(str(tmp_path / "two")))


def test_loose_files_are_one_speaker(tmp_path):
    write_speaker(tmp_path, "voices", 3, seconds=0.1)
    with pytest.raises(CorpusError, match="at least three sub-folders"):
        corpora.list_recordings(corpora.open_corpus(str(tmp_path / "voices")))


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no WAV, FLAC, OGG or MP3 file"):
        corpora.list_recordings(corpora.open_corpus(str(tmp_path)))


def test_unreadable_folder(recordings, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(CorpusError, match=r"cannot read the folder voices: Permission denied\. Check its path and permissions"):
        corpora.list_recordings(corpora.open_corpus(str(recordings)))


# --- whatever else lies in a folder --------------------------------------------------------------


def listed(folder: Path) -> list[str]:
    return [r.name for r in corpora.list_recordings(corpora.open_corpus(str(folder)))]


@pytest.fixture
def three(tmp_path) -> Path:
    """A folder of three speakers, one file each; only preparation reads what is in them."""
    for speaker in ("ann", "ben", "cat"):
        (tmp_path / "three" / speaker).mkdir(parents=True)
        (tmp_path / "three" / speaker / "a.wav").touch()
    return tmp_path / "three"


THREE = ["ann/a.wav", "ben/a.wav", "cat/a.wav"]


def test_the_order_is_that_of_the_paths(three):
    for name in ("ann/B.FLAC", "ann/a b/c.ogg", "ann/a/z.mp3", "ben/a-1.wav", "Zoe/é.wav", "loose.wav", "ben/notes.txt"):
        (three / name).parent.mkdir(exist_ok=True)
        (three / name).touch()
    found = sorted(p for p in three.rglob("*") if p.suffix.lower() in corpora.AUDIO_SUFFIXES)
    assert listed(three) == [p.relative_to(three).as_posix() for p in found] and len(found) == 9


@pytest.mark.parametrize(
    "name",
    [".Trash-1000/files", "__MACOSX/ann", "@eaDir", "ann/@eaDir/a.wav", "$RECYCLE.BIN/S-1-5", "System Volume Information", "lost+found",
     "#recycle", "@Recycle", ".git/lfs", "ann/.AppleDouble"],
)  # fmt: skip
def test_hidden_and_system_folders_are_skipped(three, name):
    (three / name).mkdir(parents=True)
    (three / name / "a.wav").touch()
    (three / "ben" / "._a.wav").touch()
    assert listed(three) == THREE


def test_a_hidden_folder_that_was_asked_for_is_read(three):
    hidden = three.rename(three.with_name(".three"))
    assert listed(hidden) == THREE


def test_linked_folders_are_followed_once(three, tmp_path):
    links = tmp_path / "links"
    links.mkdir()
    for speaker in ("ann", "ben", "cat"):
        (links / speaker).symlink_to(Path("..") / "three" / speaker, target_is_directory=True)
    (links / "again").symlink_to(three / "ann", target_is_directory=True)
    (links / "broken").symlink_to(tmp_path / "nowhere")
    assert sorted(n.partition("/")[0] for n in listed(links)) in (["again", "ben", "cat"], ["ann", "ben", "cat"])


def test_links_to_what_is_there_anyway_and_to_parents_add_nothing(three):
    (three / "all").symlink_to(three, target_is_directory=True)  # a loop
    (three / "ann" / "up").symlink_to(three.parent, target_is_directory=True)  # holds the corpus and more
    (three.parent / "more").mkdir()
    (three.parent / "more" / "b.wav").touch()
    (three / "aaa").symlink_to(three / "cat", target_is_directory=True)  # comes first, but a folder keeps its own name
    for a, b in (("x", "y"), ("y", "x")):
        (three / a).symlink_to(three / b)  # leads nowhere
    assert listed(three) == THREE


def test_a_link_that_leads_back_from_outside_ends(three, tmp_path):
    other = tmp_path / "other" / "dan"
    other.mkdir(parents=True)
    (other / "d.wav").touch()
    (other / "back").symlink_to(three, target_is_directory=True)
    (three / "dan").symlink_to(other, target_is_directory=True)
    assert listed(three) == [*THREE, "dan/d.wav"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_not_utf_8(recordings, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        shutil.copytree(recordings, folder)
    except OSError:
        pytest.skip("this file system allows only UTF-8")
    (folder / "ann").rename(folder / os.fsdecode(b"ann\xff"))
    (folder / "ben" / "ben_0.wav").rename(folder / "ben" / os.fsdecode(b'b,"\xe4\n.wav'))
    corpus = corpora.open_corpus(str(folder))
    names = [r.name for r in corpora.list_recordings(corpus)]
    assert "ann\\xff/ann_0.wav" in names and 'ben/b,"\\xe4\n.wav' in names
    preparation.prepare(corpus, workers=1, progress=False)
    prepared = [u.name for split in SPLITS for u in dataset.PairedSplit(corpus.name, split).utterances]
    assert sorted(prepared) == sorted(names) and all(n.encode() for n in prepared)
    assert corpora.open_corpus(corpus.name).name == corpus.name
    with pytest.raises(CorpusError, match=r"no WAV, FLAC, OGG or MP3 file in \\xff"):
        (tmp_path / os.fsdecode(b"\xff")).mkdir()
        listed(tmp_path / os.fsdecode(b"\xff"))


# --- corpora that combine ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["alnum+ravdess+tuxpaint", "tuxpaint+alnum+ravdess", "ravdess++alnum+tuxpaint+"])
def test_parts_are_in_the_order_of_the_registry(text):
    corpus = corpora.open_corpus(text)
    assert corpus.name == "ravdess+alnum+tuxpaint" and [p.name for p in corpus.parts] == corpora.parts_of(corpus.name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ravdess+ravdess", "the corpus ravdess is given twice: name each part once"),
        ("ravdess+klettres", "'klettres' is for testing only, not for training: choose ravdess,"),
        ("czech-ph", "'czech-ph' has no speakers for validation and test"),
        ("ravdess+nowhere", "no corpus or folder is called 'nowhere': choose ravdess"),
        ("+", "'' has no speakers for validation and test: add one of ravdess"),
    ],
)
def test_parts_that_do_not_combine_are_refused(text, message):
    with pytest.raises((CorpusError, ArgumentTypeError), match=re.escape(message)):
        corpora.open_corpus(text) if text != "czech-ph" else options.corpus(text)
    with pytest.raises(ArgumentTypeError):
        options.corpus(text)


def test_a_folder_combines_and_may_have_a_plus_in_its_name(recordings, tmp_path, monkeypatch):
    plus = shutil.copytree(recordings, tmp_path / "a+b")
    monkeypatch.setenv(options.STANDS_IN, str(tmp_path))
    assert options.corpus("a+b") == str(plus) and not corpora.open_corpus(str(plus)).combined
    assert options.corpus(f"synthetic+{recordings}") == f"synthetic+{recordings}"
    assert [p.folder for p in corpora.open_corpus(f"synthetic+{recordings}").parts] == [paths.raw("synthetic"), recordings]


def test_ravdess_has_as_many_women_as_men_in_each_split():
    splits = corpora.entries()["ravdess"]["splits"]
    assert {s: len(v) for s, v in splits.items()} == {"train": 16, "validation": 2, "test": 6}
    assert all(2 * sum(int(a[-2:]) % 2 for a in actors) == len(actors) for actors in splits.values())


def test_alnum_is_ordered_by_a_hash_of_its_speakers():
    splits = corpora.entries()["alnum"]["splits"]
    order = sorted((s for v in splits.values() for s in v), key=lambda s: hashlib.sha256(s.encode()).hexdigest())
    assert (sorted(order[:10]), sorted(order[10:14]), sorted(order[14:])) == (splits["test"], splits["validation"], splits["train"])
    assert len(order) == 42


# --- by the name of what is prepared -------------------------------------------------------------


def test_a_prepared_folder_opens_by_its_name(recordings, prepared):
    by_name = corpora.open_corpus(prepared.name)
    assert by_name == prepared
    assert corpora.list_recordings(by_name) == corpora.list_recordings(prepared)
    assert preparation.make_ready(by_name, progress=False) == paths.prepared(prepared.name)


def test_a_prepared_folder_opens_by_its_name_when_the_recordings_are_gone(recordings, tmp_path):
    folder = shutil.copytree(recordings, tmp_path / "gone")
    corpus = corpora.open_corpus(str(folder))
    preparation.prepare(corpus, workers=1, progress=False)
    shutil.rmtree(folder)
    assert preparation.make_ready(corpora.open_corpus(corpus.name), progress=False) == paths.prepared(corpus.name)


def test_a_folder_that_is_not_prepared_does_not_open_by_its_name(recordings):
    name = corpora.open_corpus(str(recordings)).name
    with pytest.raises(CorpusError, match="no corpus or folder is called 'folder-voices-"):
        corpora.open_corpus(name)
    with pytest.raises(
        NotPrepared, match=r"run_all\.sh --corpus FOLDER --only 07, then try again\. FOLDER is the path of your recordings\.$"
    ):
        dataset.summary(name)  # which cannot know the path


def test_a_folder_of_broken_links_says_so(tmp_path):
    (tmp_path / "links").mkdir()
    for speaker in ("ann", "ben", "cat"):
        (tmp_path / "links" / speaker).symlink_to(f"../nowhere/{speaker}")
    with pytest.raises(CorpusError, match=r"no WAV.* in links or its sub-folders\. The link (ann|ben|cat) leads nowhere, and 2 more"):
        listed(tmp_path / "links")
