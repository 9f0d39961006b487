//! Engine.IO v4 and Socket.IO v5 over hyper and WebSocket, on single-threaded shards; knows nothing of chat.
