//! Why a connection or a socket ended: every reason has a name, a counter and a WebSocket close code.
//! 10xx are RFC 6455's; 31xx mean "connect again and resume"; 35xx "mend something first".

use fastwebsockets::CloseCode;

/// Why a socket ended. [`CloseReason::ALL`] fixes the order of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseReason {
    /// The client closed the transport, or sent Engine.IO's close.
    ClientClosed,
    /// The client left the namespace (Socket.IO DISCONNECT).
    ClientLeft,
    /// The application ended the socket.
    ServerLeft,
    /// The network failed.
    TransportError,
    /// No pong in time.
    PingTimeout,
    /// No namespace was joined in time.
    ConnectTimeout,
    /// A WebSocket frame against RFC 6455.
    BadFrame,
    /// Text that is no UTF-8.
    BadText,
    /// A message over `max_payload`, or in too many fragments.
    TooBig,
    /// A packet that cannot be read, or not at this point.
    BadPacket,
    /// Two polls, or two posts, at the same time.
    Overlap,
    /// The outbox passed its bound; what was missed can be read back after a reconnect.
    TooSlow,
    /// More frames or bytes a second than allowed.
    RateLimited,
    /// The application failed while it handled this socket.
    Failed,
    /// The server goes away; connect again.
    Draining,
}

impl CloseReason {
    /// Every reason, in the order of its discriminant.
    pub const ALL: [CloseReason; 15] = [
        CloseReason::ClientClosed,
        CloseReason::ClientLeft,
        CloseReason::ServerLeft,
        CloseReason::TransportError,
        CloseReason::PingTimeout,
        CloseReason::ConnectTimeout,
        CloseReason::BadFrame,
        CloseReason::BadText,
        CloseReason::TooBig,
        CloseReason::BadPacket,
        CloseReason::Overlap,
        CloseReason::TooSlow,
        CloseReason::RateLimited,
        CloseReason::Failed,
        CloseReason::Draining,
    ];

    /// The name for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::ClientClosed => "client_closed",
            CloseReason::ClientLeft => "client_left",
            CloseReason::ServerLeft => "server_left",
            CloseReason::TransportError => "transport_error",
            CloseReason::PingTimeout => "ping_timeout",
            CloseReason::ConnectTimeout => "connect_timeout",
            CloseReason::BadFrame => "bad_frame",
            CloseReason::BadText => "bad_text",
            CloseReason::TooBig => "too_big",
            CloseReason::BadPacket => "bad_packet",
            CloseReason::Overlap => "overlap",
            CloseReason::TooSlow => "too_slow",
            CloseReason::RateLimited => "rate_limited",
            CloseReason::Failed => "failed",
            CloseReason::Draining => "draining",
        }
    }

    /// The code in the close frame.
    pub fn close_code(self) -> u16 {
        match self {
            CloseReason::ClientClosed | CloseReason::ClientLeft | CloseReason::ServerLeft => {
                CloseCode::Normal.into()
            }
            CloseReason::Draining => CloseCode::Away.into(),
            CloseReason::BadFrame => CloseCode::Protocol.into(),
            CloseReason::BadText => CloseCode::Invalid.into(),
            CloseReason::TooBig => CloseCode::Size.into(),
            CloseReason::Failed => CloseCode::Error.into(),
            CloseReason::TransportError => 3100,
            CloseReason::TooSlow => 3101,
            CloseReason::PingTimeout => 3102,
            CloseReason::RateLimited => 3103,
            CloseReason::ConnectTimeout => 3500,
            CloseReason::BadPacket => 3501,
            CloseReason::Overlap => 3502,
        }
    }

    /// Whether the peer can still be spoken to: then a close frame goes out and what waits is flushed.
    pub(crate) fn says_goodbye(self) -> bool {
        !matches!(
            self,
            CloseReason::TransportError | CloseReason::TooSlow | CloseReason::PingTimeout
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_reasons_is_in_the_order_of_the_enum() {
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
