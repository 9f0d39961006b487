// The peer socket.io: rooms and acks as the load generator speaks them, and nothing else. It checks no token and keeps
// nothing. PORT says where it listens; with REDIS (a URL) it is one of several nodes, by the sharded Redis adapter, or by
// the classic one with ADAPTER=classic.
import { createServer } from 'node:http';
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const { PORT, REDIS, ADAPTER } = process.env;

async function adapter(url) {
  const publish = createClient({ url });
  const subscribe = publish.duplicate();
  for (const client of [publish, subscribe]) client.on('error', console.error);
  await Promise.all([publish.connect(), subscribe.connect()]);
  return ADAPTER === 'classic' ? createAdapter(publish, subscribe) : createShardedAdapter(publish, subscribe);
}

const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  pingInterval: 25_000,
  pingTimeout: 20_000,
  ...(REDIS ? { adapter: await adapter(REDIS) } : {}),
});
// As its page about memory says: the request of the handshake is not needed any more.
io.engine.on('connection', (socket) => {
  socket.request = null;
});

// The last number of each room; only where no other process sends, since none of them could count alone.
const heads = REDIS ? null : new Map();
const accepted = { ok: true, data: {} };

io.on('connection', (socket) => {
  const { userId, rooms } = socket.handshake.auth;
  socket.join(rooms);
  socket.emit('session:ready', { userId, rooms: rooms.map((id) => ({ id, headSeq: heads?.get(id) ?? 0 })) });
  socket.on('message:send', ({ roomId, clientId, text }, ack) => {
    const message = { roomId, clientId, senderId: userId, text };
    if (heads) {
      message.seq = (heads.get(roomId) ?? 0) + 1;
      heads.set(roomId, message.seq);
    }
    io.to(roomId).emit('message:new', message);
    ack(accepted);
  });
});

http.listen({ host: '127.0.0.1', port: Number(PORT), backlog: 4096 });
