"""A configuration as the YAML that is read as the same configuration."""

from __future__ import annotations

import re
from typing import Final

import yaml

from orchestrator.config import Config


def dump(config: Config) -> str:
    """The YAML that `loader.loads` reads as this configuration; only what was given is written."""
    data = config.model_dump(mode="json", exclude_unset=True, by_alias=True)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # which of the two, only PyYAML knows
    """Quotes what either YAML 1.1 or 1.2 would not read as the text that it is."""

    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's interface
        first: [*resolvers] for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: object) -> bool:
        return True


# YAML 1.2 has numbers that 1.1 has not (0o17, 1e3); text that is anything like them goes into quotes.
_LIKE_A_NUMBER: Final = re.compile(r"[-+]?\.?[0-9][0-9a-fA-FoOxX_.:+-]*\Z")
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _LIKE_A_NUMBER, list("-+.0123456789"))
