"""What a program may ask for besides pairs, checked: a rate, a way to go, a time."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

from qnode.errors import InvalidOperation
from qnode.wire.stack import Terms


def terms_of(
    me: str,
    peer: str,
    names: Container[str],
    now_ns: int,
    rate: float | None,
    route: Sequence[str] | None,
    window: tuple[float, float] | None,
) -> Terms:
    """Raises InvalidOperation, with what is wrong."""
    given = () if route is None else tuple(route)
    if route is not None:
        strangers = [name for name in given if name != me and name not in names]
        ends = given[:1] + given[-1:]
        if isinstance(route, str) or ends not in ((me, peer), (peer, me)):
            raise InvalidOperation(detail=f"a route lists the nodes from {me} to {peer}, both too; got {route!r}")
        if strangers or len(set(given)) < len(given):
            wrong = f"there is no node {strangers[0]!r}" if strangers else "it comes to a node more than once"
            raise InvalidOperation(detail=f"the route {'-'.join(given)} cannot be gone: {wrong}")
    if rate is not None and not 0.0 < rate < math.inf:
        raise InvalidOperation(detail=f"a rate is a number of pairs a second above 0; got {rate!r}")
    from_ns = to_ns = 0
    if window is not None:
        try:
            from_ns, to_ns = (round(seconds * 1e9) for seconds in window)
        except (TypeError, ValueError, OverflowError):
            raise InvalidOperation(detail=f"a window is two network times in seconds; got {window!r}") from None
        if not now_ns <= from_ns < to_ns:
            raise InvalidOperation(
                detail=f"a window needs now <= start < end; it is {now_ns / 1e9} s, and it is to be {window!r}"
            )
        if rate is not None:
            raise InvalidOperation(detail="a window reserves memory, not a rate of links; give one of them")
    return Terms(0.0 if rate is None else float(rate), given if given[:1] != (peer,) else given[::-1], from_ns, to_ns)
