"""Downloads from a local server that cuts the line, ignores ranges, sends wrong bytes or nothing; and a disk that is full."""

import errno
import hashlib
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_server import closed_port, serving

from audiosr_lib.base import files
from audiosr_lib.data import download
from audiosr_lib.data.download import BLOCK, DownloadError

CONTENT = np.random.default_rng(3).bytes(300_000)
SHA = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with serving() as s:
        yield s


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Pauses between attempts, recorded and not waited for."""
    waited = []
    monkeypatch.setattr(download.time, "sleep", waited.append)
    return waited


def test_whole_file(server, home):
    target = home / "deep" / "file.bin"
    assert download.fetch([server.add("file.bin", CONTENT)], target, checksum=SHA, size=len(CONTENT)) == target
    assert target.read_bytes() == CONTENT
    assert [p.name for p in target.parent.iterdir()] == ["file.bin"]


def test_a_file_that_is_there_is_not_asked_for_again(server, home):
    url = server.add("file.bin", CONTENT)
    download.fetch([url], home / "file.bin", checksum=SHA)
    download.fetch([url], home / "file.bin", checksum=SHA)
    assert len(server.log) == 1


def test_a_cut_line_resumes_where_it_was(server, home, pauses):
    url = server.add("file.bin", CONTENT, cuts=[6 * BLOCK, 3 * BLOCK])
    download.fetch([url], home / "file.bin", checksum=SHA)
    assert (home / "file.bin").read_bytes() == CONTENT
    assert [s.range for s in server.log] == [None, f"bytes={6 * BLOCK}-", f"bytes={9 * BLOCK}-"]
    assert server.sent("file.bin") == len(CONTENT)  # not one byte twice
    assert pauses == [2.0, 4.0]


def test_less_than_a_block_is_lost_at_a_cut(server, home):
    url = server.add("file.bin", CONTENT, cuts=[100_000, 100_000])
    download.fetch([url], home / "file.bin", checksum=SHA)
    assert len(CONTENT) <= server.sent("file.bin") < len(CONTENT) + 2 * BLOCK


def test_a_second_call_goes_on_from_the_first(server, home):
    url = server.add("file.bin", CONTENT, cuts=[8 * BLOCK, 0])
    with pytest.raises(DownloadError, match=f"{8 * BLOCK:,} bytes are kept; the next start continues from there"):
        download.fetch([url], home / "file.bin", checksum=SHA, tries=2)
    assert not (home / "file.bin").exists()
    download.fetch([url], home / "file.bin", checksum=SHA)
    assert server.sent("file.bin") == len(CONTENT)
    assert (home / "file.bin").read_bytes() == CONTENT


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 90_000), max_size=4), ignore=st.booleans())
def test_any_cuts_give_the_same_bytes(server, home, cuts, ignore):
    target = home / "file.bin"
    target.unlink(missing_ok=True)
    url = server.add("file.bin", CONTENT, cuts=list(cuts), ignore_range=ignore)
    download.fetch([url], target, checksum=SHA)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server, home):
    url = server.add("file.bin", CONTENT, cuts=[100_000], ignore_range=True)
    download.fetch([url], home / "file.bin", checksum=SHA)
    assert (home / "file.bin").read_bytes() == CONTENT  # and not the first 100,000 bytes twice
    assert [s.status for s in server.log] == [200, 200]


def test_wrong_hash_is_deleted_and_said(server, home):
    url = server.add("file.bin", CONTENT[:-1] + b"\0")
    with pytest.raises(DownloadError, match=f"wrong SHA256 .*expected {SHA[7:19]}"):
        download.fetch([url], home / "file.bin", checksum=SHA)
    assert list(home.iterdir()) == []
    assert len(server.log) == 1  # the same wrong bytes are not asked for again


def test_md5_is_checked_where_it_is_all_that_is_known(server, home):
    url, md5 = server.add("file.bin", CONTENT), hashlib.md5(CONTENT).hexdigest()
    download.fetch([url], home / "file.bin", checksum=f"md5:{md5}")
    with pytest.raises(DownloadError, match=f"is not the file of the registry \\(MD5 {md5[:12]}..., expected {'0' * 12}..."):
        download.fetch([url], home / "file.bin", checksum="md5:" + "0" * 32)


def test_damaged_start_of_a_resumed_file_is_found(server, home):
    (home / "file.bin.part").write_bytes(b"\0" * 1000)
    url = server.add("file.bin", CONTENT)
    with pytest.raises(DownloadError, match="wrong SHA256"):
        download.fetch([url], home / "file.bin", checksum=SHA)
    download.fetch([url], home / "file.bin", checksum=SHA)  # nothing of it is left over
    assert (home / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("first", [{"status": 404}, {"status": 503}, {"content": b"something else"}])
def test_second_mirror_after_the_first_fails(server, home, first):
    bad = server.add("bad.bin", **({"content": CONTENT} | first))
    good = server.add("good.bin", CONTENT)
    download.fetch([bad, good], home / "file.bin", checksum=SHA, tries=3)
    assert (home / "file.bin").read_bytes() == CONTENT
    assert len([s for s in server.log if s.path == "/bad.bin"]) == (3 if first.get("status") == 503 else 1)


def test_second_mirror_goes_on_where_the_first_was_cut(server, home):
    cut = server.add("cut.bin", CONTENT, cuts=[5 * BLOCK, 0])
    good = server.add("good.bin", CONTENT)
    download.fetch([cut, good], home / "file.bin", checksum=SHA, tries=2)
    assert server.sent("good.bin") == len(CONTENT) - 5 * BLOCK
    assert (home / "file.bin").read_bytes() == CONTENT


def test_404_is_not_tried_again_and_named(server, home, pauses):
    with pytest.raises(DownloadError, match=r"could not download file\.bin\.\n.*404"):
        download.fetch([f"{server.base}/nowhere.bin"], home / "file.bin")
    assert len(server.log) == 1 and pauses == []


def test_416_of_a_whole_part_is_the_end(server, home):
    (home / "file.bin.part").write_bytes(CONTENT)
    download.fetch([server.add("file.bin", CONTENT)], home / "file.bin", checksum=SHA)
    assert (home / "file.bin").read_bytes() == CONTENT
    assert [s.status for s in server.log] == [416]


def test_416_of_a_part_that_is_too_long_starts_over(server, home):
    (home / "file.bin.part").write_bytes(CONTENT + b"more")
    download.fetch([server.add("file.bin", CONTENT)], home / "file.bin", checksum=SHA)
    assert (home / "file.bin").read_bytes() == CONTENT
    assert [s.status for s in server.log] == [416, 200]


def test_nobody_listens(home, pauses):
    with pytest.raises(DownloadError, match=r"could not download file\.bin\.\n.*ConnectionError"):
        download.fetch([f"{closed_port()}/file.bin"], home / "file.bin", tries=3)
    assert len(pauses) == 2


def test_disk_too_small_is_said_before_anything_is_fetched(server, home, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage(10**9, 9 * 10**8, 10**8))
    url = server.add("file.bin", CONTENT)
    with pytest.raises(DownloadError, match=r"needs 0\.3 GB, but the disk has 0\.1 GB free.*AUDIOSR_HOME"):
        download.fetch([url], home / "file.bin", size=300_000_000)
    assert server.log == []
    with open(home / "file.bin.part", "wb") as f:
        f.truncate(250_000_000)  # most of it has arrived: the rest fits
    download.require_space(home, 300_000_000 - (home / "file.bin.part").stat().st_size, "the rest")


class FullDisk:
    """A file that takes `room` bytes and no more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, block):
        if len(block) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(block)
        return self.file.write(block)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def test_disk_full_while_writing_keeps_what_arrived(server, home, monkeypatch):
    url = server.add("file.bin", CONTENT)
    with monkeypatch.context() as m:
        m.setattr(download, "open", lambda path, mode: FullDisk(path.open(mode), 1 << 16), raising=False)
        with pytest.raises(DownloadError, match=r"cannot write file\.bin\.part: No space left on device\. Free some space .*; it resumes"):
            download.fetch([url], home / "file.bin", checksum=SHA)
    kept = (home / "file.bin.part").stat().st_size
    assert kept == 1 << 16 and not (home / "file.bin").exists()
    server.log.clear()
    download.fetch([url], home / "file.bin", checksum=SHA)
    assert server.sent("file.bin") == len(CONTENT) - kept
    assert (home / "file.bin").read_bytes() == CONTENT


def test_aside_leaves_the_old_file_if_writing_fails(home):
    files.write_json(home / "a.json", {"old": 1})
    with pytest.raises(RuntimeError, match="half"), files.atomic_write(home / "a.json") as path:
        path.write_text("half of")
        raise RuntimeError("half")
    assert files.read_json(home / "a.json") == {"old": 1}
    assert [p.name for p in home.iterdir()] == ["a.json"]


def test_two_writers_of_one_file_do_not_meet(home):
    (home / "a.json.part").write_text("somebody's")
    with files.atomic_write(home / "a.json") as one, files.atomic_write(home / "a.json") as two:
        one.write_text("one")
        two.write_text("two")
    assert (home / "a.json").read_text() == "one"  # the last to be complete
    assert sorted(p.name for p in home.iterdir()) == ["a.json", "a.json.part"]
    files.write_text(home / f"{'n' * 250}.md", "long")  # the temporary name is not longer than a system allows


def test_sha256_is_hashlibs(home):
    (home / "a").write_bytes(CONTENT)
    assert "sha256:" + files.sha256_of(home / "a") == SHA
