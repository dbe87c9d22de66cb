"""How the network stacks of the nodes work: what they swap when, and what they know of their links. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from orchestrator import units
from orchestrator.problems import Finding
from orchestrator.values import Model, Probability, Seconds
from qnode.stack.expectation import depolarised
from qnode.wire.stack import LinkFacts, StackSpec

if TYPE_CHECKING:
    from orchestrator.topology import LinkDescription
    from qnode.quantum.hardware import Hardware

MOST_PAIRS: Final = 1_000
FLOODED: Final = 100
"""Up to that many nodes, all of them get to know all links.

That takes 5,049 messages and 2 MB in a chain of 100, 2,861 and 11 MB in a random network of degree 5; of 200 nodes it
takes 20,099 and 7 MB, or 7,315 and 46 MB. A search takes two messages a link, and tells the node that seeks as much: 50
of them as many messages as all knowing everything in that chain of 200, 7 in that network, but each only 39 or 80 kB.
"""


class StackConfig(Model):
    """How entanglement between nodes that are no neighbours is made."""

    swap: Literal["asap", "sequential", "nested"] = Field(
        "asap", description="When repeaters swap: at once; one after the other from the requester on; or by doubling."
    )
    metric: Literal["hops", "time", "fidelity"] = Field("hops", description="What routes are chosen by.")
    cutoff: Seconds | None = Field(
        None,
        description="How long a repeater stores a half that waits for its partner; left out: `cutoff` of its memory.",
    )
    window: Annotated[int, Field(ge=1, le=MOST_PAIRS)] = Field(
        2, description="How many pairs of a request may be under way at once, where there is memory for them."
    )
    swap_success: Probability = Field(1.0, description="Of a Bell measurement of a repeater.")
    distillation: Literal["dejmps", "bbpssw", "none"] = Field(
        "dejmps", description="What a request uses that wants a higher fidelity than the links give."
    )

    routing: Literal["auto", "link_state", "on_demand"] = Field(
        "auto",
        description="Whether nodes announce their links to all others, or seek a route when one is needed; auto: they"
        f" announce them if they are {FLOODED} at most, or if `classical` keeps some from answering others.",
    )

    head_start: Seconds = Field(
        1.0,
        description="For memory, a request comes before those of one `priority` less that were made up to so much"
        " earlier.",
    )

    def findings(self) -> Iterator[Finding]:
        if not self.swap_success:
            yield Finding(("swap_success",), "0 would never join two pairs; above 0 up to 1 is allowed")
        if self.cutoff is not None and not self.cutoff:
            yield Finding(("cutoff",), "0 would keep no half for any time; leave it out, or give a time above 0")

    def spec(self, nodes: int) -> StackSpec:
        """The same as the nodes are told; `nodes`: how many there are."""
        return StackSpec(
            swap=self.swap,
            metric=self.metric,
            cutoff_ns=None if self.cutoff is None else units.to_ns(self.cutoff),
            window=self.window,
            swap_success=self.swap_success,
            distillation=self.distillation,
            flood=self.routing == "link_state" or (self.routing == "auto" and nodes <= FLOODED),
            head_start_ns=units.to_ns(self.head_start),
        )


def facts(link: LinkDescription, peer: str, mine: Hardware, theirs: Hardware) -> LinkFacts:
    """What one end of a link knows of it; the other end is `peer`.

    One of the two turns what was heralded as another Bell state than Phi+, whichever asks later: half of that each.
    """
    source, there = link.source, int(peer == link.b)
    aged = [delivered - born for born, delivered in zip(source.born_ns, source.delivered_ns, strict=True)]
    each = source.turned / 2
    wrong = each * (mine.single.error.total + theirs.single.error.total)
    return LinkFacts(
        peer=peer,
        delay_ns=link.delay_ns,
        attempt_ns=source.attempt_ns if source.sequential else 0,
        success=source.success_probability,
        made_ns=max(source.delivered_ns) + round(each * (mine.single.duration_ns + theirs.single.duration_ns)),
        vector=depolarised(source.vector, wrong),
        aged_ns=(
            aged[1 - there] + round(each * mine.single.duration_ns),
            aged[there] + round(each * theirs.single.duration_ns),
        ),
    )
