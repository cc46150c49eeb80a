"""Download a large file over an unreliable connection.

Bytes are written to NAME.part, and a second call requests only the rest. The file is renamed to NAME after its hash is checked.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from pathlib import Path

import requests
from tqdm import tqdm

from audiosr_lib.base.errors import StudyError

BLOCK = 1 << 14  # bytes per write; a lost connection costs less than one block


class DownloadError(StudyError):
    """A download failed; the message says what to do."""


def require_space(folder: Path, need: int, what: str) -> None:
    """Raise DownloadError if the disk of `folder` has fewer than `need` bytes free; `what` names the purpose in the message."""
    if (free := shutil.disk_usage(folder).free) < need:
        raise DownloadError(
            f"{what} needs {need / 1e9:.1f} GB, but the disk has {free / 1e9:.1f} GB free. "
            "Free some space, or set AUDIOSR_HOME to a folder on a larger disk, and start again."
        )


def fetch(
    urls: list[str],
    target: Path,
    *,
    checksum: str | None = None,
    size: int | None = None,
    tries: int = 5,
    timeout: float = 30.0,
    pause: float = 2.0,
) -> Path:
    """Return `target` after downloading it. If the file already exists, its hash is checked and nothing is downloaded.

    Parameters
    ----------
    urls : addresses of the file, tried in this order.
    target : path of the downloaded file.
    checksum : expected hash, if known, as "sha256:HEX" or "md5:HEX".
    size : expected size in bytes, to check the free disk space first.
    tries : attempts per address; each continues where the last one stopped.
    timeout : seconds without a byte after which an attempt fails.
    pause : seconds before the second attempt, doubled each time.

    Raises
    ------
    DownloadError : every attempt failed, or the disk is full. The bytes received are kept.
    DownloadError : the hash is wrong. Downloaded bytes are deleted; a `target` that existed before is kept.
    """
    if target.exists():
        if problem := _wrong(target, checksum):
            raise DownloadError(f"{target.name} exists, but is not the file of the registry ({problem}). Delete it and start again.")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if size is not None:
        require_space(target.parent, size - (part.stat().st_size if part.exists() else 0), target.name)
    problems: list[str] = []
    for url in urls:
        if not _complete(url, part, tries, timeout, pause, problems):
            continue
        problem = _wrong(part, checksum)
        if not problem:
            part.replace(target)
            return target
        part.unlink()
        problems.append(f"{url}: wrong {problem}")
    kept = f" {part.stat().st_size:,} bytes are kept; the next start continues from there." if part.exists() else ""
    raise DownloadError(f"could not download {target.name}.{kept}\n  " + "\n  ".join(problems[-4:]))


def _wrong(file: Path, checksum: str | None) -> str:
    """Return the wrong and the expected hash of a file, "" if it is right or none is known."""
    if checksum is None:
        return ""
    name, _, expected = checksum.partition(":")
    with open(file, "rb") as stream:
        got = hashlib.file_digest(stream, name).hexdigest()
    return "" if got == expected else f"{name.upper()} {got[:12]}..., expected {expected[:12]}..."


def _complete(url: str, part: Path, tries: int, timeout: float, pause: float, problems: list[str]) -> bool:
    """Return whether the rest of `part` was downloaded from `url`; errors are added to `problems`."""
    unanswered = 0  # consecutive failures to connect
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
        except OSError as error:  # of the disk: the errors of requests are caught above
            raise DownloadError(f"cannot write {part.name}: {error.strerror}. Free some space and start again; it resumes.") from error
    return False


def _append(url: str, part: Path, timeout: float) -> None:
    """Append the rest of the file to `part`. Raises ConnectionError if the connection ends early."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as reply:
        if reply.status_code == 416:  # nothing left to send: `part` is complete or too long
            if reply.headers.get("Content-Range", "").endswith(f"/{have}"):
                return
            part.unlink()
            raise ConnectionError("the partial file was longer than the file on the server; it is downloaded again")
        reply.raise_for_status()
        if reply.status_code != 206:
            have = 0  # the server ignores Range and sends the whole file
        expected = int(reply.headers["Content-Length"]) + have if "Content-Length" in reply.headers else None
        bar = tqdm(total=expected, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=not sys.stderr.isatty())
        with open(part, "ab" if have else "wb") as out, bar:
            for block in reply.iter_content(BLOCK):
                out.write(block)
                bar.update(len(block))
    if expected is not None and (got := part.stat().st_size) < expected:
        raise ConnectionError(f"the connection ended after {got:,} of {expected:,} bytes")
