//! The state of the push connection, as components see it.

/// The state of this page's push connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionState {
    /// Not wanted: no session, or the page is hidden.
    #[default]
    Off,
    /// Being opened.
    Connecting,
    /// Open, and the last message was accepted.
    Live(Transport),
    /// Broken; the client retries after a pause.
    Waiting,
}

/// How push messages reach the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// An event stream.
    Stream,
    /// A WebSocket.
    Socket,
}

impl Transport {
    /// The transport to try first. HTTP/1.1 gives a browser six connections per server, which streams in six tabs would use
    /// up, so there it is a WebSocket. Later versions carry any number of streams in one connection.
    pub(crate) fn preferred(http_version: Option<&str>) -> Self {
        if http_version.is_some_and(|version| version.starts_with("h2") || version.starts_with("h3")) {
            Self::Stream
        } else {
            Self::Socket
        }
    }

    /// The other transport.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Stream => Self::Socket,
            Self::Socket => Self::Stream,
        }
    }
}
