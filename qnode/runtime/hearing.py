"""What the oracle says while a long payload is under way: it may be that its receiver will never have it."""

from __future__ import annotations

from qnode.transport.client import Client
from qnode.transport.peers import Peers
from qnode.wire.messages import Book, Gone, Goodbye, Refused, Stop, ToNode


class Hearing:
    """Listens to the oracle where nothing else can be done; what it said is taken in afterwards.

    Attributes:
        came: What has not been taken in yet.
    """

    def __init__(self, client: Client, peers: Peers) -> None:
        self._client = client
        self._peers = peers
        self.came: list[ToNode] = []

    def look(self) -> None:
        """Heed what has come and cannot wait: who is gone, who is elsewhere, and that all is over."""
        while self._client in self._client.wait(0):
            came = self._client.receive()
            self.came += came
            for message in came:
                self.heed(message)

    def heed(self, message: ToNode) -> None:
        """Let nobody wait for whom there is no use in waiting. Doing it twice is doing it once."""
        match message:
            case Gone():
                for node in message.nodes:
                    self._peers.give_up(node, for_now=node in message.lives)
            case Book():
                self._peers.learn(message.addresses, self._client.host)
            case Stop() | Goodbye() | Refused():
                self._peers.give_up_all()

    def take(self) -> list[ToNode]:
        """All that came while nobody could take it in, once."""
        came, self.came = self.came, []
        return came
