"""`qnode completion SHELL`: a script that completes commands, options, configurations, runs and networks."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from typing import Final

from orchestrator.cli.arguments import Parser, parser_of
from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.screen import Screen


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    scripts = {"bash": bash, "zsh": zsh, "fish": fish}
    screen.say(scripts[options.shell]().rstrip("\n"))
    return 0


def bash() -> str:
    """For bash."""
    cases = "\n".join(_bash_case(name, parser) for name, parser in _parsers())
    return _BASH.format(commands=" ".join(["--help", "--version", *COMMANDS]), cases=cases)


def zsh() -> str:
    """For zsh, whose bashcompinit understands bash's."""
    return f"autoload -U +X bashcompinit && bashcompinit\n{bash()}"


def fish() -> str:
    """For fish."""
    lines = ["complete -c qnode -f"]
    for name, command in COMMANDS.items():
        lines.append(f"complete -c qnode -n __fish_use_subcommand -a {name} -d {shlex.quote(command.summary)}")
    for name, parser in _parsers():
        here = f"complete -c qnode -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{here}{_fish_option(action)}" for action in parser._actions if action.option_strings]
        lines += [f"{here} {_FISH[kind]}" for kind in _kinds(parser) if kind in _FISH]
        lines += [f"{here} -f -a {shlex.quote(' '.join(words))}" for words in _choices(parser)]
    return "\n".join(lines)


def _parsers() -> Iterator[tuple[str, Parser]]:
    for name, command in COMMANDS.items():
        yield name, parser_of(command)


def _kinds(parser: Parser) -> list[str]:
    """What its arguments are, by the names that the help calls them."""
    return [str(action.metavar) for action in parser._actions if not action.option_strings and action.metavar]


def _choices(parser: Parser) -> list[list[str]]:
    return [[*map(str, action.choices)] for action in parser._actions if not action.option_strings and action.choices]


def _bash_case(name: str, parser: Parser) -> str:
    options = " ".join(option for action in parser._actions for option in action.option_strings)
    words = " ".join(word for choice in _choices(parser) for word in choice)
    kinds = " ".join(_BASH_KINDS[kind] for kind in _kinds(parser) if kind in _BASH_KINDS)
    return f"    {name}) options={shlex.quote(options)} words={shlex.quote(words)} kinds={shlex.quote(kinds)} ;;"


def _fish_option(action: argparse.Action) -> str:
    names = [f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in action.option_strings]
    takes = " -r" if action.nargs != 0 else ""
    return f"{''.join(names)}{takes} -d {shlex.quote(action.help or '')}"


_BASH_KINDS: Final = {"CONFIG": "config", "RUN": "run", "NAME": "network", "DIR": "folder"}

_BASH: Final = r"""_qnode() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" options= words= kinds= kind
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands}" -- "$current"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  for kind in $kinds; do
    case "$kind" in
      config)
        for kind in yaml yml py; do COMPREPLY+=($(compgen -f -X "!*.$kind" -- "$current")); done
        COMPREPLY+=($(compgen -d -S / -- "$current")) ;;
      folder) COMPREPLY+=($(compgen -d -S / -- "$current")) ;;
      run) COMPREPLY+=($(compgen -W "$(command ls .qnode/runs 2>/dev/null)" -- "$current")) ;;
      network)
        COMPREPLY+=($(compgen -W "$(command ls .qnode/networks 2>/dev/null | sed -n 's/\.json$//p')" -- "$current")) ;;
    esac
  done
}}
complete -F _qnode qnode
"""

_FISH: Final = {
    "CONFIG": "-F",
    "DIR": "-F",
    "RUN": "-f -a '(command ls .qnode/runs 2>/dev/null)'",
    "NAME": "-f -a \"(command ls .qnode/networks 2>/dev/null | sed -n 's/\\.json\\$//p')\"",
}
