"""Keep the last messages of a session, so that a client whose connection broke can fetch what it missed."""

from collections import OrderedDict
from dataclasses import dataclass

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

# A call reports its progress once a second: this holds a quarter of an hour of one.
MAX_EVENTS = 1_000
# An answer has at most 8,000 characters, sent twice (as text and as data): this holds some thirty of the largest.
MAX_CHARS = 500_000


@dataclass(frozen=True, slots=True)
class _Event:
    stream: StreamId
    message: JSONRPCMessage | None  # None: only the id counts, with which a stream begins
    chars: int


class SessionEvents(EventStore):
    """The last messages to one client. When there are too many, the oldest go.

    The names of streams are request ids of the client, so that those of two clients are the same: each session needs a
    store of its own.
    """

    def __init__(self, max_events: int = MAX_EVENTS, max_chars: int = MAX_CHARS) -> None:
        self._events: OrderedDict[EventId, _Event] = OrderedDict()
        self._max_events = max_events
        self._max_chars = max_chars
        self._chars = 0
        self._number = 0

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        """Store a message and return its id."""
        self._number += 1
        chars = 0 if message is None else len(message.model_dump_json(by_alias=True, exclude_unset=True))
        event_id = str(self._number)
        self._events[event_id] = _Event(stream_id, message, chars)
        self._chars += chars
        # The newest stays, however large: it is the answer that its client waits for.
        while len(self._events) > 1 and (len(self._events) > self._max_events or self._chars > self._max_chars):
            _, oldest = self._events.popitem(last=False)
            self._chars -= oldest.chars
        return event_id

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        """Send the later messages of the stream that an event belongs to.

        Returns:
            The stream, if more may come on it; None after its answer, and for an event that is no longer kept.
        """
        last = self._events.get(last_event_id)
        if last is None:
            return None
        is_open = True
        # A list, because messages are stored and dropped while these are sent.
        for event_id, event in list(self._events.items()):
            if event.stream == last.stream and event.message is not None and int(event_id) > int(last_event_id):
                await send_callback(EventMessage(event.message, event_id))
                is_open = not isinstance(event.message, JSONRPCResponse | JSONRPCError)
        return last.stream if is_open else None
