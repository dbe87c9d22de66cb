"""Who a process is to the others, where messages leave the machine."""

from __future__ import annotations

from typing import Final

import msgspec

ORACLE: Final = "oracle"  # what keys and hosts call it


class Keys(msgspec.Struct, array_like=True, frozen=True):
    """Who one process is to the others, where messages leave the machine.

    Attributes:
        name: A node's, or `ORACLE`.
        secret: Its own secret key, in Z85.
        public: Everybody's public key, in Z85, by name; its own too.
    """

    name: str
    secret: bytes
    public: dict[str, bytes]

    def __repr__(self) -> str:
        return f"<keys of {self.name}, {len(self.public)} known>"  # what is shown somewhere shows no secret
