"""Files from the network: complete and checked, or absent, whatever happens on the way."""

import hashlib
import logging
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from pcam.data.storage.transfer import Patience, StaleError, Transfer
from pcam.errors import DataError
from pcam.runs.access import refuse_link

log = logging.getLogger(__name__)
GZIP = b"\x1f\x8b"


def download(
    url: str,
    target: Path,
    served_md5: tuple[str, ...],
    md5: tuple[str, ...],
    size: int = 0,
    patience: Patience | None = None,
) -> str:
    """Download a file; one that is served gzipped is decompressed as it arrives.

    What has arrived is kept beside the target (NAME.part) and is not requested again, in this call
    or a later one. The target appears only when both checksums are right. If they are not, the file
    is requested once more from the beginning.

    Args:
        url: http or https.
        target: the file wanted, decompressed.
        served_md5: MD5 of the bytes as served; any of these is right; none: not checked.
        md5: MD5 of the file wanted, likewise.
        size: of the file wanted in bytes, as far as known, to check the disk's room at the start.
        patience: how long to keep trying.

    Returns:
        The MD5 of the file wanted.

    Raises:
        DataError: the host cannot be reached, does not have the file, or serves another one; or the
            disk is full.
    """
    part = target.with_name(target.name + ".part")
    unpacked = target.with_name(target.name + ".unpacked")
    target.parent.mkdir(parents=True, exist_ok=True)
    refuse_link(part)
    refuse_link(unpacked)
    found = None
    for attempt in (1, 2):
        found = _fetch(url, part, unpacked, size, patience or Patience())
        if found is not None and found.matches(served_md5, md5):
            os.replace(unpacked, target)
            part.unlink()
            return found.content
        part.unlink(missing_ok=True)
        unpacked.unlink(missing_ok=True)
        if attempt == 1:
            log.warning("%s has a wrong checksum; downloading it again", target.name)
    received = "a broken gzip file" if found is None else f"MD5 {found.served}"
    expected = f", not {' or '.join(served_md5)}" if served_md5 else ""
    raise DataError(
        f"{url} serves other bytes than the published ones ({received}{expected}); try later, or"
        f" get {target} elsewhere"
    )


@dataclass(frozen=True)
class _Digests:
    """MD5 of a download: of the bytes as served, and of the decompressed content."""

    served: str
    content: str

    def matches(self, served_md5: tuple[str, ...], md5: tuple[str, ...]) -> bool:
        """Return whether both are among the right ones; no right ones: not checked."""
        served_right = not served_md5 or self.served in served_md5
        return served_right and (not md5 or self.content in md5)


def _fetch(url: str, part: Path, unpacked: Path, size: int, patience: Patience) -> _Digests | None:
    """Download and decompress; None where the bytes are not a whole gzip file."""
    served = hashlib.md5(usedforsecurity=False)
    content = hashlib.md5(usedforsecurity=False)
    gunzip = None
    first = True
    try:
        with unpacked.open("wb") as out:
            for block in Transfer(url, part, size, patience).blocks():
                if first and block[:2] == GZIP:
                    gunzip = zlib.decompressobj(wbits=31)
                first = False
                served.update(block)
                plain = gunzip.decompress(block) if gunzip else block
                content.update(plain)
                out.write(plain)
    except OSError as error:
        raise DataError(
            f"{unpacked.parent} cannot be written ({error}); what has arrived is kept; set"
            " data.root"
        ) from error
    except (StaleError, zlib.error):
        return None
    if gunzip and not gunzip.eof:
        return None
    return _Digests(served.hexdigest(), content.hexdigest())
