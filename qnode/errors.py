"""Every error that qnode raises on purpose, in one tree.

    QnodeError
    ├── ConfigError               the user's file or command line
    ├── ProgramError              a program used the API in a way that cannot work
    │   ├── DeadQubit             its qubit was measured, sent away or discarded
    │   ├── OutOfMemory           no free memory slot
    │   ├── WrongLoop             called from a thread or loop that is not the node's
    │   ├── Spinning              it goes round and round at one instant
    │   ├── NotPackable           a value that cannot travel in a message
    │   ├── LimitExceeded         more than the configuration lets one node have
    │   ├── TooLarge              a result or record that is too large to travel
    │   ├── NotANeighbour         no link to that node
    │   │   └── NoSuchNode        nor is there any other node of that name
    │   ├── NoPhotons             a link that carries no light
    │   └── InvalidOperation      a gate, qubits or parameters that make no sense
    ├── StateError                an operation that its formalism cannot hold
    │   ├── ComponentTooLarge     a joint state beyond the configured size
    │   ├── NotClifford           a gate that formalism stabilizer or bell_diagonal has no room for
    │   ├── NotStabilizer         noise that formalism stabilizer has no room for
    │   └── NotPauli              noise that formalism bell_diagonal has no room for
    ├── ProtocolViolation         a message that its sender must not send
    │   ├── IllegalTransition
    │   ├── NotOwner
    │   ├── UnknownQubit
    │   ├── UnknownPair
    │   ├── NotTheSame            a node that goes another way when it is executed again
    │   └── MalformedMessage
    ├── EntanglementFailure       no pair came of a request
    │   ├── RequestMismatch
    │   │   └── TermsMismatch     ways or times that both ends give, and that are not the same
    │   ├── FidelityUnreachable
    │   ├── RateUnreachable       no way whose links make so many pairs
    │   ├── WindowTaken           memory that others have reserved for that time
    │   ├── RequestOver           it was withdrawn, by this end or the other
    │   ├── NoRoute               no way through the network, or not the one that was given
    │   ├── PairExpired
    │   └── GenerationTimeout
    ├── TransportError            processes and connections
    │   ├── KeyRefused            who we are, or they are, by the keys
    │   └── PeerLost
    └── RunFailed                 the run as a whole
        ├── ProgramFailed
        ├── Deadlock, Livelock, Stall, TimedOut
        ├── Interrupted, Unread
        └── ProcessLost

Fields come first and the sentence is made from them. Across the wire go `code` (the class's name) and the fields;
`from_wire` makes the same error again on the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from qnode.exits import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_LOST, EXIT_STUCK, EXIT_UNREAD


class QnodeError(Exception):
    """The root. A subclass states its fields as annotations and its sentence as a template over them."""

    sentence: ClassVar[str] = "{detail}"
    by_code: ClassVar[dict[str, type[QnodeError]]] = {}

    def __init_subclass__(cls, *, travels: bool = True) -> None:
        """`travels`: whether it is made from its fields alone, so that it can come out on the other side of a wire."""
        if travels:
            QnodeError.by_code[cls.__name__] = cls

    def __init__(self, /, **fields: str | int) -> None:  # a peer may call a field `self`, too
        self.fields: dict[str, str | int] = fields
        super().__init__(self.sentence.format_map(_Lenient(fields)))

    @property
    def code(self) -> str:
        return type(self).__name__

    def __reduce__(self) -> tuple[object, ...]:
        return from_wire, (self.code, self.fields)


class _Lenient(dict[str, "str | int"]):
    """A message that lost a field still makes a sentence."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def from_wire(code: str, fields: Mapping[str, str | int]) -> QnodeError:
    """The error that `code` and `fields` describe; an unknown code (a newer peer's) becomes the root class."""
    known = QnodeError.by_code.get(code)
    if known is None:
        return QnodeError(detail=f"{code}: {dict(fields)}")
    return known(**fields)


class ConfigError(QnodeError):
    """Something in the user's file; `place` is file, line and key as far as known."""

    sentence = "{place}: {detail}"


class ProgramError(QnodeError):
    """A program used the API in a way that cannot work; `where` is the line that did."""


class DeadQubit(ProgramError):
    sentence = "qubit {qubit} was {fate} at {where}; this handle is dead: keep the new qubit that you need instead"


class OutOfMemory(ProgramError):
    sentence = (
        "node {node} has too few free memory slots: {wanted} wanted, {free} of {slots} free{held};"
        " measure or discard a qubit, or raise `qubits:`"
    )


class WrongLoop(ProgramError):
    sentence = (
        "{call} was called outside node {node}'s own event loop; call it from the program's own coroutines"
        " (from a thread, hand it over with loop.call_soon_threadsafe)"
    )


class Spinning(ProgramError):
    sentence = (
        "node {node} has gone round {rounds} times at one instant, and network time stands still while it spins at"
        " {where}: await what the program waits for, or sleep for a time"
    )


class NotPackable(ProgramError):
    sentence = (
        "{what} contains a value of type {type}, which cannot be packed; use None, numbers, text, bytes, lists, tuples,"
        " dicts, complex numbers or NumPy arrays"
    )


class TooLarge(ProgramError):
    sentence = "{what} takes {size} bytes, and at most {limit} may travel: write it to a file and {verb} its path"


class LimitExceeded(ProgramError):
    sentence = (
        "node {node} would have {value} {what}, and may have {most}; if it is meant to, raise `limits: {limit}:` in the"
        " configuration, for all, for its kind or for itself"
    )


class NotANeighbour(ProgramError):
    sentence = "{node} has no link to {peer!r}; its neighbours are: {neighbours}"


class NoSuchNode(NotANeighbour):
    sentence = "{node} knows no other node {peer!r}; its neighbours are: {neighbours}"


class NoPhotons(ProgramError):
    sentence = (
        "the link between {node} and {peer} has no `photons:` in the configuration: it says what sends pulses, carries"
        " and detects them"
    )


class InvalidOperation(ProgramError):
    pass


class StateError(QnodeError):
    pass


class ComponentTooLarge(StateError):
    sentence = (
        "{operation} would make a joint state of {size} qubits in formalism {formalism}, which holds at most {limit}"
        "{setting}; component: {component}"
    )


class NotClifford(StateError):
    sentence = (
        "gate {gate} on {qubits} is not Clifford, and formalism {formalism} holds nothing else; use formalism auto,"
        " state_vector or density_matrix"
    )


class NotStabilizer(StateError):
    sentence = (
        "{what} leaves {qubits} in no stabilizer state, and formalism stabilizer holds nothing else; use auto,"
        " state_vector or density_matrix"
    )


class NotPauli(StateError):
    sentence = (
        "{what} does more to {qubits} than random Paulis, and formalism bell_diagonal holds nothing else (no T1, and"
        " sources of Bell states); use auto or density_matrix"
    )


class ProtocolViolation(QnodeError):
    pass


class IllegalTransition(ProtocolViolation):
    sentence = "{machine} {name} cannot take {event} in phase {phase}"


class NotOwner(ProtocolViolation):
    sentence = "{caller} may not act on qubit {qubit}: it belongs to {owner}"


class UnknownQubit(ProtocolViolation):
    sentence = "{caller} acted on qubit {qubit}, which does not exist"


class UnknownPair(ProtocolViolation):
    sentence = "{caller} named pair {pair}, which does not exist"


class MalformedMessage(ProtocolViolation):
    pass


class NotTheSame(ProtocolViolation):
    sentence = (
        "step {step} of node {node}, at {time}, came out otherwise than before its process was lost: its programs are"
        " not deterministic, so the node cannot be resumed"
    )


class EntanglementFailure(QnodeError):
    pass


class RequestMismatch(EntanglementFailure):
    sentence = (
        "{node} asked {peer} for {wanted} pairs, and {peer} asked {node} for {offered}:"
        " both must ask for the same number"
    )


class TermsMismatch(RequestMismatch):
    sentence = "{node} asked {peer} for pairs {wanted}, and {peer} asked {node} for pairs {offered}"


class RateUnreachable(EntanglementFailure):
    sentence = "{node} and {peer} want {wanted} pairs a second; the link {link} lets through {reachable}"


class WindowTaken(EntanglementFailure):
    sentence = "{node} has no memory for pairs of {source} and {target} from {start} to {end} s: {reason}; {then}"


class FidelityUnreachable(EntanglementFailure):
    sentence = "{node} and {peer} want pairs of fidelity {wanted}; links and memories between them reach {reachable}"


class RequestOver(EntanglementFailure):
    sentence = "the request with {peer} is {state}, after {delivered} of {wanted} pairs"


class NoRoute(EntanglementFailure):
    sentence = "no route from {source} to {target}: {reason}"


class PairExpired(EntanglementFailure):
    sentence = "pair {pair} expired before it was used"


class GenerationTimeout(EntanglementFailure):
    sentence = "{node} got no pair with {peer} within {timeout} s of network time"


class TransportError(QnodeError):
    pass


class KeyRefused(TransportError):
    pass


class PeerLost(TransportError):
    sentence = "node {peer} is gone: {reason}"


class RunFailed(QnodeError):
    """The run ended badly; `exit_code` is what the command line returns for it."""

    exit_code: ClassVar[int] = EXIT_FAILED


class ProgramFailed(RunFailed):
    sentence = "program {program} of node {node} failed at {time}:\n{traceback}"


class Deadlock(RunFailed):
    exit_code = EXIT_STUCK
    sentence = "deadlock at {time}: nothing can ever happen again. {waits}"


class Livelock(RunFailed):
    exit_code = EXIT_STUCK
    sentence = "livelock: {rounds} rounds at {time} without time going on; still busy: {nodes}"


class Stall(RunFailed):
    exit_code = EXIT_STUCK
    sentence = "stall at {time}: for {instants} instants only background timers have fired. {waits}"


class TimedOut(RunFailed):
    exit_code = EXIT_STUCK
    sentence = "the run did not end within {timeout} s of wall time"


class Interrupted(RunFailed):
    exit_code = EXIT_INTERRUPTED
    sentence = "the run was interrupted at {time}"


class Unread(RunFailed):
    exit_code = EXIT_UNREAD
    sentence = "nobody reads any more what the run prints{besides}"


class ProcessLost(RunFailed):
    """`nodes`: those that were lost with it, for whoever catches it where it was raised; they do not travel."""

    exit_code = EXIT_LOST
    sentence = "the process of {name} ended before the run did: {reason}"

    def __init__(self, /, *, nodes: tuple[str, ...] = (), **fields: str | int) -> None:
        super().__init__(**fields)
        self.nodes = nodes
