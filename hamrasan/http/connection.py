"""One client's connection: which request is being answered, and what the socket does meanwhile.

    waiting ──request──► busy ──► answered: waiting again, lingering, or closing
                          └─ the handler returned `Parked`: the connection is the waiter, with nothing around it

A connection answers one request at a time; what is sent ahead stays in the socket, or in `_backlog` (one read of it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from hamrasan.http import eager
from hamrasan.http.engine import Engine
from hamrasan.http.errors import response_to
from hamrasan.http.exchange import CANCELLABLE, Exchange
from hamrasan.http.heads import CLOSE, CONTINUE, KEEP, KEEP_OLD, has_body, head_for
from hamrasan.http.limits import (
    BODY_SECONDS,
    HEAD_SECONDS,
    IDLE_SECONDS,
    MIN_BODY_RATE,
)
from hamrasan.http.response import ANSWERS, Answer, Deferred, Parked, Response, StreamResponse
from hamrasan.http.sink import Sink
from hamrasan.http.streaming import close_stream, send_stream
from hamrasan.http.wheel import NEVER
from hamrasan.http.wire import JOIN_BYTES, Wire
from hamrasan.runtime.log import get_logger

_log = get_logger(__name__)


class HttpConnection(Wire):
    """The protocol object of one connection, and the waiter of a parked request."""

    __slots__ = (
        "_backlog",
        "_exchange",
        "_parked",
        "_queue",
        "_receiving_since",
        "_sink",
        "_task",
    )

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._sink: Sink | None = None
        self._queue: list[Exchange] | None = None
        self._backlog = b""
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[Answer] | asyncio.Task[int] | None = None
        self._parked: Parked | None = None
        self._receiving_since = NEVER

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._closing:
            return
        if self._linger:
            self._drop(data)
            return
        turn, waits = self._engine.turn, bool(self._backlog)
        self._backlog += data
        if turn.is_over():
            if waits:  # who sends on and on without being answered is no longer listened to
                self._hold(True)
            turn.wait(self)
        else:
            self._advance()

    def go_on(self) -> None:
        """Take in what came when the loop had no time for it."""
        self._advance()

    def eof_received(self) -> bool:
        """The client sends no more, which nearly always means that it has gone.

        So what can be given up is given up, but an answer on its way and a change are brought to their end.
        """
        self._half_closed = True
        self._fail_upload()
        exchange = self._exchange
        busy = exchange is not None and self._parked is None and not self._is_cancellable(exchange)
        waits_for_turn = exchange is None and bool(self._backlog)
        transport = cast(asyncio.Transport, self._transport)
        return (busy or waits_for_turn or self._write_paused) and transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whomever."""
        self._transport = None
        self._open = False
        self._engine.leave(self)
        self.deadline = NEVER
        self._queue = None
        self._backlog = b""
        self._fail_upload()
        self._drop_sink()
        parked, self._parked = self._parked, None
        if parked is not None and self._exchange is not None:
            self._engine.parked -= 1
            self._exchange.owner = None
            self._exchange = None
            try:
                parked.cancelled()
            except Exception as error:
                _log.error("a parked request could not be cancelled", exc_info=error)
        if self._task is not None:
            self._leave_task(self._task)

    def _leave_task(self, task: asyncio.Task[Answer] | asyncio.Task[int]) -> None:
        exchange = self._exchange
        if exchange is None or exchange.request is None or self._is_cancellable(exchange):
            task.cancel()
        else:
            handler = cast("asyncio.Task[Answer]", task)
            self._engine.adopt(handler)

    def _is_cancellable(self, exchange: Exchange) -> bool:
        """Return whether a handler is running that may be stopped (a stream has no request any more)."""
        return exchange.request is not None and exchange.method in CANCELLABLE

    def resume_writing(self) -> None:
        """Most of what was written has gone out."""
        if not self._writable_again():
            return
        if self._exchange is None:
            self._engine.wheel.set(self, self._engine.now() + IDLE_SECONDS)
            self._engine.loop.call_soon(self._advance)
        else:
            self._engine.wheel.set(self, NEVER)

    # What the wheel and the engine call.

    def due(self, now: float) -> None:
        """Whatever the deadline was for has not happened in time."""
        transport = self._transport
        if transport is None:
            return
        if self._write_paused or self._closing:
            self._check_progress(transport, now)
        elif self._parked is not None:
            self._end_parked(self._parked.expired)
        elif self._sink is not None and self._sink.partial and not self._linger:
            self._sink.time_out()
            if self._sink.completed:
                self._collect(self._sink)
            self._advance()
        elif self._exchange is None:
            self._close()

    def drain(self) -> None:
        """Answer a parked request early, close an idle connection; leave a busy one to end as it does."""
        if self._parked is not None:
            self._end_parked(self._parked.drained)
        elif self._exchange is None and not self._queue and not self._backlog and self._sink is None:
            self._close()

    # What requests call.

    def prepare(self, method: str, target: str, headers: dict[bytes, bytes]) -> Exchange:
        """Return the exchange for a request whose head has arrived."""
        return self._engine.prepare(self, method, target, headers)

    def answer_parked(self, exchange: Exchange, response: Response) -> None:
        """Answer the parked request, unless it is not this one."""
        if self._parked is not None and exchange is self._exchange:
            self._parked = None
            self._engine.parked -= 1
            self._send(response)
            if self._queue or self._backlog:
                # Not here: whoever answers may be in the middle of something, and handlers must not run inside it.
                self._engine.loop.call_soon(self._advance)

    def body_wanted(self) -> None:
        """The handler reads the body of its upload."""
        exchange = self._exchange
        if exchange is not None and exchange.expects_continue and not exchange.unread:
            exchange.expects_continue = False
            if self._transport is not None:
                self._transport.write(CONTINUE)

    def resume_body(self) -> None:
        """The handler has caught up with the client."""
        self._engine.loop.call_soon(self._advance)

    # Receiving.

    def _drop_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.release()

    def _is_uploading(self, exchange: Exchange) -> bool:
        return self._sink is not None and self._sink.current is exchange

    def _fail_upload(self) -> None:
        sink = self._sink
        if sink is not None and sink.current is not None and sink.current.stream is not None:
            sink.current.stream.fail(ConnectionResetError("the client closed the connection"))

    def _advance(self) -> None:
        """Parse and answer what has come, until there is nothing or something has to be waited for."""
        while True:
            exchange = self._exchange
            if exchange is None:
                if self._write_paused or not self._open:
                    break
                queue = self._queue
                if queue is not None:
                    exchange = queue.pop(0)
                    if not queue:
                        self._queue = None
                    self._run(exchange)
                    continue
            elif not self._can_take_body(exchange):
                break
            if not self._backlog:
                break
            self._take_in()
        if self._open and (self._sink is not None or self._held or self._backlog or self._queue is not None):
            self._settle()

    def _can_take_body(self, exchange: Exchange) -> bool:
        stream = exchange.stream
        return (
            stream is not None
            and not stream.stopped
            and self._parked is None
            and self._is_uploading(exchange)
        )

    def _take_in(self) -> None:
        """Parse, queue what is complete, and give the parser back unless a message is half there."""
        engine = self._engine
        sink = self._sink
        if sink is None:
            sink = engine.lend_sink(self)
        data = self._backlog
        used = sink.feed(data)
        self._backlog = data[used:] if used < len(data) else b""
        if sink.completed:
            self._collect(sink)
        if sink.partial or sink.broken:
            self._sink = sink
        else:
            self._sink = None
            engine.return_sink(sink)

    def _collect(self, sink: Sink) -> None:
        if self._queue is None:
            self._queue = sink.completed
        else:
            self._queue += sink.completed
        sink.completed = []

    def _settle(self) -> None:
        """Nothing more can be done with what has come: read on or not, and say how long to wait for the rest."""
        exchange, sink = self._exchange, self._sink
        stopped = exchange is not None and exchange.stream is not None and exchange.stream.stopped
        self._hold(bool(self._backlog) or self._queue is not None or stopped)
        if sink is None:
            return
        if exchange is None:
            if self._half_closed:
                self._close()
                return
            current = sink.current
            if current is not None and current.expects_continue and self._transport is not None:
                current.expects_continue = False
                self._transport.write(CONTINUE)
            self._arm_receiving(sink)
        elif sink.current is exchange and self._parked is None:
            self._arm_receiving(sink)

    def _arm_receiving(self, sink: Sink) -> None:
        """Give a head a fixed time, a body one that grows with what has come of it."""
        wheel, now, current = self._engine.wheel, self._engine.now(), sink.current
        if not sink.partial or self._held:
            self._receiving_since = NEVER
            wheel.set(self, NEVER)
            return
        if self._receiving_since == NEVER:
            self._receiving_since = now
        if current is None:
            wheel.set(self, self._receiving_since + HEAD_SECONDS)
        else:
            earned = sink.body_received / MIN_BODY_RATE
            wheel.set(self, min(now, self._receiving_since + earned) + BODY_SECONDS)

    # Answering.

    def _run(self, exchange: Exchange) -> None:
        """Answer a request, at once if its handler can."""
        engine = self._engine
        self._exchange = exchange
        exchange.started = engine.now()
        if exchange.early is not None:
            self._send(exchange.early)
            return
        self.deadline = NEVER
        try:
            answer = engine.answer(exchange)
            if isinstance(answer, ANSWERS):
                outcome: eager.Finished[Answer] | asyncio.Task[Answer] | None = None
            else:
                outcome = eager.start(answer, engine.loop)
        except (Exception, asyncio.CancelledError) as error:
            self._send(response_to(error, exchange.operation))
            return
        if outcome is None:
            self._conclude(answer)
        elif isinstance(outcome, eager.Finished):
            self._conclude(outcome.value)
        else:
            self._task = outcome
            outcome.add_done_callback(self._handler_done)

    def _handler_done(self, task: asyncio.Task[Answer]) -> None:
        self._task = None
        exchange = self._exchange
        assert exchange is not None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self._transport is None:
            self._exchange = None
            if error is not None:
                response_to(error, exchange.operation)  # for its log: nobody is there to be told
            elif isinstance(answer := task.result(), StreamResponse):
                self._start_stream(answer, exchange)
            return
        if error is not None:
            self._send(response_to(error, exchange.operation))
        else:
            self._conclude(task.result())
        self._advance()

    def _conclude(self, answer: object) -> None:
        """Do what the handler returned."""
        exchange = self._exchange
        assert exchange is not None
        if isinstance(answer, Response):
            self._send(answer)
            return
        if isinstance(answer, Deferred):
            answer.done.add_done_callback(partial(self._deferred_done, answer.response))
            return
        exchange.request = None
        if isinstance(answer, Parked):
            self._park(answer, exchange)
        elif isinstance(answer, StreamResponse):
            self._start_stream(answer, exchange)
        else:
            error = TypeError(f"a handler returned {type(answer).__name__}")
            self._send(response_to(error, exchange.operation))

    def _deferred_done(self, response: Response, done: asyncio.Future[None]) -> None:
        """Answer what waited; whether the client is still there or not, what it asked for is done."""
        exchange = self._exchange
        assert exchange is not None
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is not None:
            response = response_to(error, exchange.operation)
        self._send(response)
        self._advance()

    def _park(self, parked: Parked, exchange: Exchange) -> None:
        engine = self._engine
        exchange.route = None
        exchange.parked = True
        exchange.owner = self
        self._parked = parked
        engine.parked += 1
        engine.wheel.set(self, NEVER if parked.timeout is None else engine.now() + parked.timeout)
        try:
            parked.start(exchange)
        except Exception as error:
            exchange.respond(response_to(error, exchange.operation))
        if engine.draining or self._half_closed:
            self.drain()

    def _end_parked(self, answer: Callable[[], Response]) -> None:
        """Answer a parked request on the edge's own account."""
        exchange = self._exchange
        assert exchange is not None
        try:
            response = answer()
        except Exception as error:
            response = response_to(error, exchange.operation)
        exchange.respond(response)

    def _send(self, response: Response) -> None:
        """Write a complete answer and end the exchange."""
        exchange, transport = self._exchange, self._transport
        assert exchange is not None
        if transport is None or self._closing:
            self._exchange = None
            return
        keep = self._may_keep(exchange)
        body = response.body
        try:
            head = self._head(exchange, response, len(body), keep)
        except ValueError as error:
            response = response_to(error, exchange.operation)
            body = response.body
            head = self._head(exchange, response, len(body), keep)
        if not body or exchange.method == "HEAD" or not has_body(response.status):
            transport.write(head)
        elif len(body) <= JOIN_BYTES:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        self._finish(exchange, response.status, keep)

    def _head(
        self, exchange: Exchange, answer: Response | StreamResponse, length: int | None, keep: bool
    ) -> bytes:
        connection = (KEEP_OLD if exchange.old_version else KEEP) if keep else CLOSE
        return head_for(
            answer.status, answer.content_type, answer.headers, length, connection, self._engine.date
        )

    def _may_keep(self, exchange: Exchange) -> bool:
        """Return whether the connection can be used for another request after this one."""
        if exchange.stream is not None and not exchange.stream.ended:
            exchange.unread = True
        return (
            exchange.keep_alive
            and not exchange.unread
            and not self._engine.draining
            and not (self._half_closed and self._queue is None and not self._backlog)
        )

    def _finish(self, exchange: Exchange, status: int, keep: bool) -> None:
        engine = self._engine
        self._exchange = None
        self._receiving_since = NEVER
        now = engine.now()
        engine.observe(exchange.operation, status, None if exchange.parked else now - exchange.started)
        if engine.debug:
            _log.debug("answered", operation=exchange.operation, status=status)
        if not keep:
            self._close(linger=exchange.unread)
        elif not self._write_paused:
            engine.wheel.set(self, now + IDLE_SECONDS)

    def _start_stream(self, answer: StreamResponse, exchange: Exchange) -> None:
        transport = self._transport
        loop = self._engine.loop
        if transport is None:
            self._exchange = None
            loop.create_task(close_stream(answer))
            return
        keep = self._may_keep(exchange) and (answer.length is not None or not exchange.old_version)
        exchange.keep_alive = keep
        try:
            head = self._head(exchange, answer, answer.length, keep)
        except ValueError as error:
            loop.create_task(close_stream(answer))
            self._send(response_to(error, exchange.operation))
            return
        task = loop.create_task(send_stream(answer, exchange, head, transport, self._until_writable))
        self._task = task
        task.add_done_callback(self._stream_done)

    def _stream_done(self, task: asyncio.Task[int]) -> None:
        self._task = None
        exchange, transport = self._exchange, self._transport
        assert exchange is not None
        error = None if task.cancelled() else task.exception()
        if transport is None or task.cancelled():
            self._exchange = None
            if error is not None:
                _log.debug("a stream ended with its client", operation=exchange.operation, exc_info=error)
            self.abort()
        elif error is None:
            self._finish(exchange, task.result(), exchange.keep_alive)
            self._advance()
        elif exchange.head_sent:
            # The length or the last chunk is missing, and that is how the client learns that something went wrong.
            response_to(error, exchange.operation)
            self._exchange = None
            transport.abort()
        else:
            self._send(response_to(error, exchange.operation))
            self._advance()

    def _close(self, linger: bool = False) -> None:
        """Forget what was not answered, and close; see `Wire`."""
        self._queue = None
        self._backlog = b""
        self._drop_sink()
        self._end(linger)
