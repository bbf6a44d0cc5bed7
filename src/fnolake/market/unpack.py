"""
Downloaded bytes to plain text: zip, gzip, one inside the other, or neither. Bytes in, bytes out; knows no format.

Invariant: never more than the limit is unpacked, whatever an archive claims, and a web page is never taken for a file.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib

from fnolake.errors import PayloadError

UNPACKED_LIMIT = 256_000_000
"""Bytes; the largest real file is about 12 MB."""
_NESTED = 3


def plain(body: bytes, limit_bytes: int = UNPACKED_LIMIT, *, json_too: bool = False) -> bytes:
    """
    The text file inside ``body``, without a byte order mark and with line feeds for line ends.

    Raises:
        PayloadError: Empty, a web page, JSON (unless ``json_too``), a damaged archive, or larger than the limit when unpacked.
    """
    content = body
    for _ in range(_NESTED):
        if content.startswith(b"PK\x03\x04"):
            content = _unzipped(content, limit_bytes)
        elif content.startswith(b"\x1f\x8b"):
            content = _gunzipped(content, limit_bytes)
        else:
            break
    content = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").lstrip(b"\n ")
    if not content.strip():
        raise _refused("the file is empty", body)
    if content[:1] == b"<":
        raise _refused("the exchange sent a web page, so the file is not there", body)
    if content[:1] in {b"{", b"["} and not json_too:
        raise _refused("the exchange sent JSON instead of the file", body)
    if b"\x00" in content[:4096]:
        raise _refused("the download is no text file", body)
    return content


def _unzipped(body: bytes, limit_bytes: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) != 1:
                raise _refused(f"the archive holds {len(members)} files where one was expected", body)
            with archive.open(members[0]) as member:
                return _within(member.read(limit_bytes + 1), limit_bytes, body)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise _refused("the zip archive is damaged", body) from error


def _gunzipped(body: bytes, limit_bytes: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            return _within(file.read(limit_bytes + 1), limit_bytes, body)
    except (OSError, EOFError, zlib.error) as error:
        raise _refused("the gzip file is damaged", body) from error


def _within(content: bytes, limit_bytes: int, body: bytes) -> bytes:
    if len(content) > limit_bytes:
        raise _refused(f"the archive unpacks to more than {limit_bytes / 1e6:g} MB", body)
    return content


def _refused(why: str, body: bytes) -> PayloadError:
    return PayloadError(f"{why}; fetch it again later", provider="exchange", payload=body)
