"""Files of keys: one for the oracle and one for each node, with its own secret and everybody's public keys."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qnode.errors import ConfigError
from qnode.transport.security import new_pair, public_of
from qnode.wire.keys import ORACLE, Keys

SUFFIX: Final = ".key"
_KEY: Final = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")  # Z85 of 32 bytes
_REMEDY: Final = "make all keys anew by `qnode keys CONFIG DIR --force`, and give each machine its own again"


def make_keys(network: str, nodes: Sequence[str], folder: Path, *, force: bool = False) -> list[Path]:
    """Draw keys and write all files, oracle's first; a secret is in no other place.

    Raises ConfigError if files are there already (unless `force`), or if the oracle and a node have one name; OSError.
    """
    if ORACLE in nodes:
        raise ConfigError(place=ORACLE, detail="a node of that name cannot have keys beside the oracle's; rename it")
    names = [ORACLE, *nodes]
    files = [folder / f"{name}{SUFFIX}" for name in names]
    there = [file for file in files if file.exists()]
    if there and not force:
        others = f" and {len(there) - 1} more" if len(there) > 1 else ""
        detail = f"is there already{others}; --force replaces it, and then no process with the old keys is let in"
        raise ConfigError(place=str(there[0]), detail=detail)
    pairs = {name: new_pair() for name in names}
    public = {name: pair[0] for name, pair in pairs.items()}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, file in zip(names, files, strict=True):
        _write(file, _text(network, Keys(name, pairs[name][1], public)))
    return files


def keys_for(name: str, path: Path, network: str) -> Keys:
    """The keys of the oracle or a node from their file, or from a folder that `qnode keys` made.

    Raises ConfigError if it cannot be read, or is somebody else's or another network's.
    """
    file = path / f"{name}{SUFFIX}" if path.is_dir() else path
    found, of = _read(file)
    if of != network:
        raise ConfigError(place=str(file), detail=f"these are keys of the network {of!r}, and this one is {network!r}")
    if found.name != name:
        whose = "the oracle" if name == ORACLE else f"node {name}"
        detail = f"this is the key of {found.name}, and {whose} needs its own"
        raise ConfigError(place=str(file), detail=detail)
    if public_of(found.secret) != found.public[name]:
        raise ConfigError(place=str(file), detail=f"its secret does not belong to its public key; {_REMEDY}")
    return found


def require_all(keys: Keys, nodes: Sequence[str], file: Path) -> None:
    """Raises ConfigError if nodes have come to the network since the keys were made."""
    missing = [name for name in (ORACLE, *nodes) if name not in keys.public]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ConfigError(place=str(file), detail=f"knows no key of {missing[0]}{others}; {_REMEDY}")


def _write(file: Path, text: str) -> None:
    """For its owner alone from the beginning, and whole or not at all."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(new, file)


def _text(network: str, keys: Keys) -> str:
    public = "".join(f'{name} = "{key.decode()}"\n' for name, key in keys.public.items())
    return (
        f"# qnode: the keys of {keys.name}. Whoever has this file is {keys.name}: let nobody else read it.\n"
        f"network = {_quoted(network)}\n"
        f'name = "{keys.name}"\n'
        f'secret = "{keys.secret.decode()}"\n'
        f"\n[public]\n{public}"
    )


def _quoted(text: str) -> str:
    escaped = "".join(char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08X}" for char in text)
    return f'"{escaped}"'


def _read(file: Path) -> tuple[Keys, str]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(place=str(file), detail="there is no such file; `qnode keys CONFIG DIR` makes one") from None
    except OSError as error:
        raise ConfigError(place=str(file), detail=f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):  # what stands there is not told: it may be a secret
        raise ConfigError(place=str(file), detail=f"is no file of keys; {_REMEDY}") from None
    match data:
        case {"network": str(network), "name": str(name), "secret": str(secret), "public": dict(public)} if (
            all(isinstance(key, str) and _KEY.fullmatch(key) for key in (secret, *public.values())) and name in public
        ):
            return Keys(name, secret.encode(), {who: key.encode() for who, key in public.items()}), network
    raise ConfigError(place=str(file), detail=f"is no file of keys; {_REMEDY}")
