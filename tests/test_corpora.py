"""The registry, the splits by speaker, and the recordings of a corpus."""

from pathlib import Path

import pytest
from helpers import write_speaker
from hypothesis import given
from hypothesis import strategies as st

from audiosr_lib.data import corpora
from audiosr_lib.data.corpora import SPLITS, CorpusError

# --- registry and splits -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tuxpaint", "vctk", "synthetic", "klettres", "ktuberling"])
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
    assert only_tested == {"klettres", "ktuberling"}
    assert all(corpora.splits_of(entries[name]) == SPLITS for name in set(entries) - only_tested)
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
    with pytest.raises(CorpusError, match=r"called 'vtck': choose tuxpaint, vctk, synthetic, or give an existing folder"):
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

    monkeypatch.setattr(Path, "rglob", refuse)
    with pytest.raises(CorpusError, match=r"cannot read the folder voices: Permission denied\. Check its path and permissions"):
        corpora.list_recordings(corpora.open_corpus(str(recordings)))
