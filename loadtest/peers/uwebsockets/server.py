"""The peer uWebSockets, by its Python package: whoever opens /room/ID hears every text that anyone sends there, its
sender included. It checks no token and keeps nothing. PORT says where it listens.

Python is out of the way of a broadcast: one call tells uWebSockets (C++) to publish. Its own loop (libuv) is run and
blocks until something happens; the package's `App.run` would poll it from asyncio without a pause, and burn the core.
"""

import os

from socketify import App, CompressOptions, OpCode


def upgrade(response, request, context):
    response.upgrade(
        request.get_header("sec-websocket-key"),
        request.get_header("sec-websocket-protocol"),
        request.get_header("sec-websocket-extensions"),
        context,
        request.get_parameter(0),
    )


app = App()


def opened(socket):
    socket.subscribe(socket.get_user_data())


def message(socket, text, opcode):
    app.publish(socket.get_user_data(), text, OpCode.TEXT)


app.ws(
    "/room/:id",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 1_000_000,
        # A ping 8 s before it: each 24 s.
        "idle_timeout": 32,
        "send_pings_automatically": True,
        # What may wait for one client: 64 KiB by default, and what is beyond it is thrown away without a word.
        "max_backpressure": 16 * 1024 * 1024,
        "upgrade": upgrade,
        "open": opened,
        "message": message,
    },
)
app.listen(int(os.environ["PORT"]))
app.loop.uv_loop.run()
