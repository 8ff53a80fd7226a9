"""What reading a zip archive raises when bytes of it are damaged."""

import zipfile
import zlib

UNREADABLE_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,  # a seek to a negative offset
    EOFError,
    RuntimeError,  # encryption, and as NotImplementedError unknown versions and compressions
    ValueError,
    KeyError,
)
"""Besides these, wrong contents of a whole archive raise whatever their reader raises."""
