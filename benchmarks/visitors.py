"""Visitors of the real app without a browser: each speaks Streamlit's own protocol over its websocket.

A `Visitor` opens a page, presses Train and lets the live panel poll, as a browser tab would; it notes how long each
answer took and what went wrong. `classroom.py` sends in a class of them.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

TRAIN_BUTTON = "scratch.train"
PAGE = "Network_from_scratch"
FAILURE = "Something went wrong"
# What the panel and the page say of a shared machine; the number of runs is read from the first.
SHARED = re.compile(r"(The app is busy: )?(\d+) runs take turns on this machine\.( Alone, this one would need about )?")
LEFT = re.compile(r"epochs?, (about|less than) .+ left$")
REFUSED = re.compile(r"The app is busy: (\d+) runs are training or waiting, .*\(LAB_MAX_ACTIVE_RUNS\)")


@dataclass
class Visitor:
    """One browser tab.

    Attributes:
        token: the visitor's own, so that the benchmark can find the run in the store.
        config: parameters of the page's link: what to train.
        trains: whether to press Train; else the run that the link names is looked at.
        first_page: seconds from opening the connection to the end of the first page.
        answers: seconds from each poll of the panel to its end.
        failures: what went wrong, in words.
        told_shared: the largest number of runs that the panel said take turns.
        told_busy: whether it called the app busy.
        told_left: whether it said how long the run will still take, as things are.
        told_alone: whether it said how much shorter that would be without the others.
        refused: what the page said when it did not take the run because the app was full.
    """

    port: int
    token: str
    config: dict[str, str]
    trains: bool = True
    first_page: float = 0.0
    pressed: float = 0.0
    answers: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    told_shared: int = 0
    told_busy: bool = False
    told_left: bool = False
    told_alone: bool = False
    refused: str = ""
    skipped: int = 0
    _query: str = ""
    _page: str = ""
    _button: str = ""
    _fragments: dict[str, float] = field(default_factory=dict)

    async def visit(self, until: float, train: asyncio.Event | None = None, delay: float = 0.0) -> None:
        """Open the page, press Train (`delay` seconds after `train` is set), and poll until that moment (monotonic)."""
        self._query = urlencode({"section": "train", "me": self.token, **self.config})
        begin = time.monotonic()
        try:
            async with connect(
                f"ws://127.0.0.1:{self.port}/_stcore/stream",
                subprotocols=[Subprotocol("streamlit")],
                max_size=None,
                compression=None,
                open_timeout=120,
                ping_interval=None,
            ) as socket:
                await self._run(socket)
                self.first_page = time.monotonic() - begin
                if train is not None:
                    await train.wait()
                await asyncio.sleep(delay)
                if self.trains:
                    await self._press(socket)
                if not self.refused:
                    await self._poll(socket, until)
        except Exception as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    async def _press(self, socket: ClientConnection) -> None:
        if not self._button:
            self.failures.append("the page had no Train button")
            return
        begin = time.monotonic()
        await self._run(socket, press=self._button)
        # The script starts the run, says so in the address, and runs once more by itself.
        while not self._fragments and not self.refused and time.monotonic() - begin < 60:
            await self._listen(socket)
        self.pressed = time.monotonic() - begin

    async def _poll(self, socket: ClientConnection, until: float) -> None:
        """Ask for the panel as often as the app says, each time one answer after the other, as the browser does."""
        if self.trains and not self._fragments:
            self.failures.append("no panel polls after Train was pressed")
        due = time.monotonic()
        while time.monotonic() < until and self._fragments:
            fragment, interval = next(iter(self._fragments.items()))
            due += interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            begin = time.monotonic()
            await self._run(socket, fragment=fragment)
            self.answers.append(time.monotonic() - begin)
            if begin - due > interval:
                self.skipped += int((begin - due) / interval)
                due = begin
        if self.trains and time.monotonic() < until:
            self.failures.append("the panel stopped polling")

    async def _run(self, socket: ClientConnection, *, press: str = "", fragment: str = "") -> None:
        """Ask for a run of the page or of a fragment, and read until it has ended."""
        # Once the app has said which page it is, its hash counts, as in a browser: a panel that runs the page again
        # (when the first epoch ends) would run the home page otherwise.
        state = ClientState(query_string=self._query, page_name="" if self._page else PAGE, page_script_hash=self._page)
        if not fragment:
            self._fragments = {}
        else:
            state.fragment_id, state.is_auto_rerun = fragment, True
        if press:
            state.widget_states.widgets.add(id=press, trigger_value=True)
        await socket.send(BackMsg(rerun_script=state).SerializeToString())
        await self._listen(socket)

    async def _listen(self, socket: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(120):
                data = await socket.recv()
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            kind = message.WhichOneof("type")
            if kind == "delta":
                self._see(message)
            elif kind == "navigation":
                self._page = message.navigation.page_script_hash
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "auto_rerun":
                self._fragments = {message.auto_rerun.fragment_id: message.auto_rerun.interval}
            elif kind == "stop_auto_rerun":
                self._fragments = {}
            elif kind == "script_finished":
                if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    return
                self._fragments = {}

    def _see(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "button" and TRAIN_BUTTON in element.button.id:
            self._button = element.button.id
        elif kind == "exception":
            self.failures.append(f"an exception on the page: {element.exception.message[:200]}")
        elif kind == "alert" and FAILURE in element.alert.body:
            self.failures.append(element.alert.body[:200])
        elif kind == "progress" and LEFT.search(element.progress.text):
            self.told_left = True
        elif kind in ("markdown", "alert", "html"):
            self._read(getattr(element, kind).body)

    def _read(self, text: str) -> None:
        """What the page says of those who share the machine."""
        if shared := SHARED.search(text):
            self.told_shared = max(self.told_shared, int(shared[2]))
            self.told_busy |= bool(shared[1])
            self.told_alone |= bool(shared[3])
        elif refused := REFUSED.search(text):
            self.refused = refused[0]
