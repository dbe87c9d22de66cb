"""Scripts of faults: what a configuration may say in `faults`, and the same in Python. Pure.

from orchestrator import Cluster, faults

Cluster(..., faults=[faults.kill("bob", at="3 ms"), faults.cut("alice", "bob", at="1 ms", lasting="5 ms")])
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from orchestrator import shapes, units
from orchestrator.near import nearest
from orchestrator.oracle.events import KINDS
from orchestrator.problems import Finding, Path
from orchestrator.values import NODE_PATTERN, Also, Model, Name, Probability, Seconds, refused
from qnode.wire.faults import Fault, Trigger, Way

ALL: Final = "*"
DEFAULT_WITHIN: Final = 10e-6  # seconds that a message may be late by, so that others overtake it

ACTIONS: Final = ("kill", "pause", "cut", "slow", "lose", "duplicate", "reorder", "break", "heal")
AT_ONCE: Final = ("kill", "heal")
TRIGGERS: Final = tuple(kind for kind in KINDS if kind not in ("run_started", "run_ended"))


def _whom(text: str) -> str:
    if text != ALL:
        try:
            shapes.expand(text)
        except shapes.ShapeError as error:
            raise refused(str(error)) from None
    return text


def _event(text: str) -> str:
    if text not in TRIGGERS:
        raise refused(
            f"{text!r} is no event{nearest(text, TRIGGERS)}; docs/events.md lists them: {', '.join(TRIGGERS)}"
        )
    return text


def _several(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


_ONE: Final = {"type": "string", "pattern": rf"{NODE_PATTERN}|^\*$"}
_LINK: Final = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\[[0-9]+\])?$|^\*$"}
_LINK_OR_NODE: Final = {"type": "string", "pattern": f"{_LINK['pattern']}|{NODE_PATTERN}"}
Whom = Annotated[
    tuple[Annotated[str, AfterValidator(_whom)], ...],
    BeforeValidator(_several),
    Field(min_length=1),
    WithJsonSchema(
        {
            "title": "names of nodes, or *",
            "anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1}],
            "examples": ["bob", ["bob", "r[0..3]"]],
        }
    ),
]
Which = Annotated[
    tuple[str, ...],
    BeforeValidator(_several),
    Field(min_length=1),
    WithJsonSchema(
        {
            "title": "names of links, or *",
            "anyOf": [_LINK, {"type": "array", "items": _LINK, "minItems": 1}],
            "examples": ["short", ["short", "backbone[0]"]],
        }
    ),
]
Event = Annotated[
    str,
    AfterValidator(_event),
    WithJsonSchema({"title": "kind of event", "enum": list(TRIGGERS), "examples": ["deliver"]}),
]


class TriggerConfig(Model):
    """An event of the event log; what is left out may be anything."""

    def spec(self) -> Trigger:
        """The same, as it travels."""
        return Trigger(
            self.event,
            self.node or "",
            self.peer or "",
            self.program or "",
            self.name or "",
            self.channel or "",
            self.nth,
        )

    event: Event = Field(description="Its kind: what `qnode events` shows, and docs/events.md explains.")
    node: Name | None = Field(None, description="Where it happens.")
    peer: Name | None = Field(None, description="The other node.")
    program: Name | None = Field(None, description="The program that does it.")
    name: str | None = Field(None, description="Of a mark or a recorded value, or the code of an error.")
    channel: str | None = Field(None, description="Of a classical message; the tag of a request.")
    nth: Annotated[int, Field(ge=1)] = Field(1, description="The how-manieth of those that fit.")


class WaysConfig(Model):
    """Which classical messages are meant: those between two nodes, or those from one to another."""

    between: Whom | None = Field(None, description="Two nodes; or a range, or *, for one: messages of both ways.")
    from_: Whom | None = Field(None, alias="from", description="Who sends the messages that are meant.")
    to: Whom | None = Field(None, description="Who would receive them.")

    def findings(self) -> Iterator[Finding]:
        given = [key for key, value in self._given() if value is not None]
        if given != ["between"] and given != ["from", "to"]:
            found = f"it has {' and '.join(given)}" if given else "it has none"
            yield Finding((), f"needs `between: [alice, bob]` for both ways, or `from` and `to` for one; {found}")
        elif self.between is not None and len(self.between) != 2:
            detail = f"is between two, each a name, a range or *; not {len(self.between)}"
            yield Finding(("between",), detail)

    def members(self) -> Iterator[tuple[Path, str]]:
        """The names and patterns that it has, each with its path from there."""
        for key, value in self._given():
            for nth, member in enumerate(value or ()):
                yield (key, nth), member

    def ways(self) -> tuple[Way, ...]:
        """From a node to a node; "" stands for any."""
        if self.between is not None:
            one, other = map(_names, self.between)
            return tuple(dict.fromkeys([*product(one, other), *product(other, one)]))
        senders, receivers = (
            [name for one in members or () for name in _names(one)] for members in (self.from_, self.to)
        )
        return tuple(product(senders, receivers))

    def _given(self) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        yield from (("between", self.between), ("from", self.from_), ("to", self.to))


def _names(member: str) -> tuple[str, ...]:
    return ("",) if member == ALL else shapes.expand(member)


class SlowConfig(WaysConfig):
    """Classical messages that take longer."""

    by: Seconds = Field(description="How much longer.")


class LoseConfig(WaysConfig):
    """Classical messages of which some are lost."""

    probability: Probability = Field(1.0, description="Of each message, by a coin of its own.")


class DuplicateConfig(LoseConfig):
    """Classical messages that come twice."""

    within: Seconds = Field(0.0, description="How much later the copy comes at most.")


class ReorderConfig(LoseConfig):
    """Classical messages that later ones overtake."""

    within: Seconds = Field(DEFAULT_WITHIN, description="How much later a message comes at most.")


def _as_ways(value: object) -> object:
    if isinstance(value, list | tuple) or value == ALL:
        return {"between": [ALL, ALL] if value == ALL else list(value)}
    return value


def _kind_of_healed(value: object) -> str:
    return "ways" if isinstance(value, dict | WaysConfig) else "names"


_PAIR: Final = Also({"type": "array", "items": _ONE, "minItems": 2, "maxItems": 2}, {"const": ALL})


Names = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    WithJsonSchema(
        {
            "title": "names of nodes and links, or *",
            "anyOf": [_LINK_OR_NODE, {"type": "array", "items": _LINK_OR_NODE, "minItems": 1}],
        }
    ),
]
Healed = Annotated[
    Annotated[Names, Tag("names")] | Annotated[WaysConfig, Tag("ways")],
    Discriminator(_kind_of_healed),
    BeforeValidator(_several),
]


class FaultConfig(Model):
    """A fault: exactly one of kill, pause, cut, slow, lose, duplicate, reorder, break and heal; and when."""

    at: Seconds | None = Field(None, description="Network time at which it happens, before anybody runs then.")
    on: TriggerConfig | None = Field(None, description="Instead: the event upon which it happens.")
    after: Seconds = Field(0.0, description="How long after that event.")
    kill: Whom | None = Field(None, description="Nodes whose processes are killed (-9).")
    restart: Literal["never", "fresh"] = Field(
        "never", description="Of `kill`; fresh: a node begins again after `failures.restart_delay`."
    )
    pause: Whom | None = Field(None, description="Nodes that run no more, while time goes on; nothing is lost.")
    cut: Annotated[WaysConfig, BeforeValidator(_as_ways), _PAIR] | None = Field(
        None, description="Classical messages that are all lost."
    )
    slow: SlowConfig | None = Field(None, description="Classical messages that take longer.")
    lose: Annotated[LoseConfig, BeforeValidator(_as_ways), _PAIR] | None = Field(
        None, description="Classical messages of which some are lost."
    )
    duplicate: Annotated[DuplicateConfig, BeforeValidator(_as_ways), _PAIR] | None = Field(
        None, description="Classical messages that come twice."
    )
    reorder: Annotated[ReorderConfig, BeforeValidator(_as_ways), _PAIR] | None = Field(
        None, description="Classical messages that later ones overtake."
    )
    break_: Which | None = Field(None, alias="break", description="Quantum links that make no pairs and carry nothing.")
    for_: Seconds | None = Field(None, alias="for", description="How long it lasts; left out: until it is healed.")
    until: Seconds | None = Field(None, description="The same as a network time, for one with `at`.")
    heal: Healed | None = Field(
        None, description="What is over: names of nodes and links, or messages as in `cut`; * is everything."
    )

    def findings(self) -> Iterator[Finding]:
        given, when = self.given, [key for key, value in (("at", self.at), ("on", self.on)) if value is not None]
        if len(given) != 1:
            found = f"it has {' and '.join(given)}" if given else "it has none"
            yield Finding((), f"a fault needs exactly one of {', '.join(ACTIONS)}; {found}")
        if len(when) != 1:
            found = "it has both" if when else "it has neither"
            yield Finding((), f"a fault needs `at`, a network time, or `on`, an event; {found}")
        if "after" in self.model_fields_set and when == ["at"]:
            yield Finding(("after",), "is how long after an event, and here is none: `at` says when", needs=(("on",),))
        if "restart" in self.model_fields_set and given and "kill" not in given:
            yield Finding(("restart",), f"belongs to `kill`, not to `{given[0]}`", needs=(("kill",),))
        yield from self._of_lasting(given)

    def _of_lasting(self, given: tuple[str, ...]) -> Iterator[Finding]:
        lasting = [key for key, value in (("for", self.for_), ("until", self.until)) if value is not None]
        if len(lasting) == 2:
            yield Finding(("until",), "`for` says already how long it lasts; use one of the two", needs=(("for",),))
        elif lasting and given and given[0] in AT_ONCE:
            yield Finding((lasting[0],), f"`{given[0]}` is done at once, and lasts no time", needs=((given[0],),))
        elif self.until is not None and self.at is None:
            yield Finding(("until",), "needs `at`; after an event, say how long: `for`", needs=(("at",),))
        elif self.until is not None and self.at is not None and units.to_ns(self.until) <= units.to_ns(self.at):
            yield Finding(
                ("until",), f"must be later than `at`, {units.written(self.at, units.TIME)}", needs=(("at",),)
            )

    @property
    def given(self) -> tuple[str, ...]:
        """Exactly one action, unless the fault is wrong."""
        return tuple(action for action in ACTIONS if self._of(action) is not None)

    @property
    def action(self) -> str:
        return self.given[0]

    @property
    def what(self) -> tuple[str, ...] | WaysConfig:
        """What its action is given: names, or ways of messages."""
        found = self._of(self.action)
        assert found is not None  # that is which action it is
        return found

    def _of(self, action: str) -> tuple[str, ...] | WaysConfig | None:
        found: tuple[str, ...] | WaysConfig | None = getattr(self, "break_" if action == "break" else action)
        return found

    def members(self) -> Iterator[tuple[Path, str]]:
        """The names and patterns of nodes that it has, each with its path from there."""
        what = self.what
        if isinstance(what, WaysConfig):
            yield from (((self.action, *path), member) for path, member in what.members())
        elif self.action in ("kill", "pause"):
            yield from (((self.action, nth), member) for nth, member in enumerate(what))
        if self.on is not None:
            named = (("node", self.on.node), ("peer", self.on.peer))
            yield from ((("on", key), member) for key, member in named if member is not None)

    def spec(self, nodes: Collection[str], links: Mapping[str, tuple[Way, ...]]) -> Fault:
        """What the oracle is told of it, once nothing is wrong with it.

        Args:
            nodes: The names of all nodes.
            links: The ends of all links, by their names; a name may stand for several, and `*` does for all.
        """
        what = self.what
        named = () if isinstance(what, WaysConfig) else what
        of_nodes, of_links = self.action in ("kill", "pause", "heal"), self.action in ("break", "heal")
        lasts = self.for_ if self.until is None or self.at is None else self.until - self.at
        start = self.after if self.at is None else self.at
        ways: tuple[Way, ...] = (("", ""),) if self.action == "heal" and ALL in named else ()
        return Fault(
            action=self.action,
            at_ns=units.to_ns(start),
            on=None if self.on is None else self.on.spec(),
            for_ns=None if lasts is None else units.to_ns(lasts),
            nodes=tuple(_nodes(named, nodes)) if of_nodes else (),
            ways=what.ways() if isinstance(what, WaysConfig) else ways,
            links=tuple(dict.fromkeys(ends for name in named for ends in links.get(name, ()))) if of_links else (),
            fresh=self.restart == "fresh",
            by_ns=units.to_ns(getattr(what, "by", 0.0) or getattr(what, "within", 0.0)),
            probability=getattr(what, "probability", 1.0),
        )


def _nodes(named: Iterable[str], nodes: Collection[str]) -> Iterator[str]:
    for member in named:
        yield from nodes if member == ALL else (name for name in expand_or_itself(member) if name in nodes)


def expand_or_itself(member: str) -> tuple[str, ...]:
    """The names that a pattern stands for; a link's name such as backbone[3] stands for itself."""
    try:
        return shapes.expand(member)
    except shapes.ShapeError:
        return (member,)


# --- the same in Python ----------------------------------------------------------------------------------------------

Entry = dict[str, object]
"""A fault in the form of a configuration. Times are text with a unit, or seconds."""


def kill(*nodes: str, fresh: bool = False, **when: object) -> Entry:
    """The processes of nodes are killed; with `fresh`, each begins again.

    When: `at="3 ms"`, or `on=upon("deliver", node="alice", nth=3)` and perhaps `after="1 us"`.
    """
    return _entry("kill", list(nodes), {"restart": "fresh"} if fresh else {}, when)


def pause(*nodes: str, **when: object) -> Entry:
    """Nodes run no more for a while: `lasting="2 ms"`."""
    return _entry("pause", list(nodes), {}, when)


def cut(one: str, other: str, *, both: bool = True, **when: object) -> Entry:
    """Classical messages between two nodes are lost; only those from one to the other if `both` is False."""
    return _entry("cut", _way(one, other, both), {}, when)


def slow(one: str, other: str, by: str | float, *, both: bool = True, **when: object) -> Entry:
    """Classical messages take so much longer."""
    return _entry("slow", {**_way(one, other, both), "by": _time(by)}, {}, when)


def lose(one: str, other: str, *, probability: float = 1.0, both: bool = True, **when: object) -> Entry:
    """Each classical message is lost with a probability."""
    return _entry("lose", {**_way(one, other, both), "probability": probability}, {}, when)


def duplicate(
    one: str, other: str, *, probability: float = 1.0, within: str | float = 0.0, both: bool = True, **when: object
) -> Entry:
    """Each classical message comes twice with a probability, the copy later by at most `within`."""
    how = {"probability": probability, "within": _time(within)}
    return _entry("duplicate", {**_way(one, other, both), **how}, {}, when)


def reorder(
    one: str,
    other: str,
    *,
    probability: float = 1.0,
    within: str | float = DEFAULT_WITHIN,
    both: bool = True,
    **when: object,
) -> Entry:
    """Each classical message is later by at most `within` with a probability, so that others overtake it."""
    how = {"probability": probability, "within": _time(within)}
    return _entry("reorder", {**_way(one, other, both), **how}, {}, when)


def break_link(*links: str, **when: object) -> Entry:
    """Quantum links make no pairs and carry nothing."""
    return _entry("break", list(links), {}, when)


def heal(*what: str, **when: object) -> Entry:
    """What is called so is well again, nodes and links; `*` is everything. Messages: `heal_between`."""
    return _entry("heal", list(what), {}, when)


def heal_between(one: str, other: str, *, both: bool = True, **when: object) -> Entry:
    """Nothing happens any more to classical messages between two nodes."""
    return _entry("heal", _way(one, other, both), {}, when)


def upon(event: str, **which: object) -> Entry:
    """An event of the event log to wait for: `on=upon("deliver", node="alice", nth=3)`."""
    return {"event": event, **which}


def _way(one: str, other: str, both: bool) -> Entry:
    return {"between": [one, other]} if both else {"from": one, "to": other}


def _entry(action: str, what: object, more: Mapping[str, object], when: Mapping[str, object]) -> Entry:
    said = {"for" if key == "lasting" else key: _time(value) for key, value in when.items()}
    return {action: what, **more, **said}


def _time(value: object) -> object:
    """Seconds, as a configuration has them; anything else as it is."""
    return f"{value!r} s" if isinstance(value, int | float) and not isinstance(value, bool) else value
