"""Every kind of damage to a zip archive that its reader meets before any checksum."""

from collections.abc import Iterator

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_HEADER_BYTES = {_LOCAL: 30, _CENTRAL: 46, _END: 22}


def damaged_archives(content: bytes) -> Iterator[bytes]:
    """The archive with each byte of the first header of each kind changed in two ways."""
    for kind, size_bytes in _HEADER_BYTES.items():
        start = content.index(kind)
        for position in range(start, start + size_bytes):
            for mask in (0x01, 0x88):
                changed = bytearray(content)
                changed[position] ^= mask
                yield bytes(changed)
