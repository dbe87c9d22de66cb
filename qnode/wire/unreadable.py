"""What decoding raises for bytes that are not what they should be."""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)
"""Text that is no UTF-8 raises the second, wherever in the bytes it stands, and that is no msgspec.DecodeError."""
