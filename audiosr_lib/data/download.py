"""Fetch a large file over an unreliable line: resumed, verified, never taken for whole when it is not.

Bytes go to NAME.part; a second call asks the server for the rest. Only a file of the right hash gets its name.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import requests
from tqdm import tqdm

from audiosr_lib.base.errors import StudyError
from audiosr_lib.base.files import sha256_of

BLOCK = 1 << 14  # bytes written at a time; a cut line loses less than one, so even a very bad line gets on


class DownloadError(StudyError):
    """A download that did not arrive; the message says what to do."""


def require_space(folder: Path, need: int, what: str) -> None:
    """DownloadError unless the disk of `folder` has `need` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < need:
        raise DownloadError(
            f"{what} needs {need / 1e9:.1f} GB, but the disk has {free / 1e9:.1f} GB free. "
            "Free some space, or set AUDIOSR_HOME to a folder on a larger disk; the download then goes on."
        )


def fetch(
    urls: list[str],
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    tries: int = 5,
    timeout: float = 30.0,
    pause: float = 2.0,
) -> Path:
    """Download a file and return its path. A file that is already there, laid by hand perhaps, is checked and not fetched again.

    Parameters
    ----------
    urls : the same file at several places; the first that delivers is taken.
    target : where the file goes.
    sha256 : expected hash in hex, if known.
    size : expected bytes, checked against the free disk space beforehand.
    tries : attempts at each place; each goes on where the last was cut.
    timeout : seconds without a byte after which an attempt counts as cut.
    pause : seconds before the second attempt, doubled each time.

    Raises
    ------
    DownloadError : no network, cut too often, wrong hash (the bytes are deleted), or a full disk (they are kept).
    """
    if target.exists():
        if sha256 is not None and (got := sha256_of(target)) != sha256:
            raise DownloadError(
                f"{target.name} is there, but is not the file of the registry (SHA-256 {got[:12]}..., expected {sha256[:12]}...). "
                "Delete it and start again."
            )
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if size is not None:
        require_space(target.parent, size - (part.stat().st_size if part.exists() else 0), target.name)
    problems: list[str] = []
    for url in urls:
        if not _complete(url, part, tries, timeout, pause, problems):
            continue
        if sha256 is None or (got := sha256_of(part)) == sha256:
            part.replace(target)
            return target
        part.unlink()
        problems.append(f"{url}: wrong SHA-256 {got[:12]}..., expected {sha256[:12]}...")
    kept = f" {part.stat().st_size:,} bytes are kept and the next start goes on from there." if part.exists() else ""
    raise DownloadError(f"could not download {target.name}.{kept}\n  " + "\n  ".join(problems[-4:]))


def _complete(url: str, part: Path, tries: int, timeout: float, pause: float, problems: list[str]) -> bool:
    """Fetch what `part` lacks from one place, and return whether it arrived; what went wrong is added to `problems`."""
    unanswered = 0  # connections in a row that were not made: after three, this place is given up
    for attempt in range(tries):
        try:
            _append(url, part, timeout)
            return True
        except (requests.RequestException, ConnectionError) as error:
            problems.append(f"{url}: {type(error).__name__}: {str(error)[:200]}")
            refused = getattr(getattr(error, "response", None), "status_code", 500) in (401, 403, 404, 410)
            unanswered = unanswered + 1 if isinstance(error, requests.ConnectionError) else 0
            if refused or unanswered == 3 or attempt + 1 == tries:
                return False
            time.sleep(min(60.0, pause * 2**attempt))
        except OSError as error:  # the disk, not the line: requests' errors were caught above
            raise DownloadError(f"cannot write {part.name}: {error.strerror}. What arrived is kept; make room and start again.") from error
    return False


def _append(url: str, part: Path, timeout: float) -> None:
    """Ask for what `part` lacks and append it; raises ConnectionError if the line ends early."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as reply:
        if reply.status_code == 416:  # nothing left to send: `part` is whole, or longer than the file
            total = reply.headers.get("Content-Range", "").rpartition("/")[2]
            if total == str(have):
                return
            part.unlink()
            raise ConnectionError("the partial file was longer than the server's; it is fetched anew")
        reply.raise_for_status()
        resumed = reply.status_code == 206
        if not resumed:
            have = 0  # the server sent the whole file
        expected = int(reply.headers["Content-Length"]) + have if "Content-Length" in reply.headers else None
        bar = tqdm(total=expected, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=not sys.stderr.isatty())
        with open(part, "ab" if resumed else "wb") as out, bar:
            for block in reply.iter_content(BLOCK):
                out.write(block)
                bar.update(len(block))
    if expected is not None and (got := part.stat().st_size) < expected:
        raise ConnectionError(f"the line was cut after {got:,} of {expected:,} bytes")
