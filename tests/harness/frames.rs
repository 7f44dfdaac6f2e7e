//! HTTP/2 by hand (RFC 9113): frames that no client library would send.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame before its payload.
const HEAD_BYTES: usize = 9;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// Of no meaning to anybody (section 4.1: it must be ignored).
pub(crate) const UNKNOWN: u8 = 200;

/// Of DATA and HEADERS.
pub(crate) const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION.
pub(crate) const END_HEADERS: u8 = 4;
/// Of PING and SETTINGS.
pub(crate) const ACK: u8 = 1;

/// The parameter `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(crate) const INITIAL_WINDOW: u16 = 4;

/// A frame that was received.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A client that speaks frames.
pub(crate) struct Peer {
    pub(crate) socket: TcpStream,
}

// === impl Frame ===

impl Frame {
    /// The code of a GOAWAY or a `RST_STREAM`.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let code = self.payload.get(at..at + 4).expect("a code");
        u32::from_be_bytes(code.try_into().expect("four bytes"))
    }

    pub(crate) fn is(&self, kind: u8, flag: u8) -> bool {
        self.kind == kind && self.flags & flag == flag
    }
}

// === impl Peer ===

impl Peer {
    /// A connection that has said that it speaks HTTP/2, with these settings.
    pub(crate) async fn connect(address: SocketAddr, parameters: &[(u16, u32)]) -> Peer {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        socket.set_nodelay(true).expect("an option");
        let hello = hello(parameters);
        socket.write_all(&hello).await.expect("a greeting is taken");
        Peer { socket }
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// The next frame; `None` if the connection ends.
    pub(crate) async fn hear(&mut self) -> Option<Frame> {
        hear(&mut self.socket).await
    }

    /// The next frame of this type, and flag, whatever comes before it.
    pub(crate) async fn hear_of(&mut self, kind: u8, flag: u8) -> Option<Frame> {
        loop {
            let frame = self.hear().await?;
            if frame.is(kind, flag) {
                return Some(frame);
            }
        }
    }

    /// Whether the server still answers on this connection.
    pub(crate) async fn answers(&mut self) -> bool {
        self.say(&ping()).await.is_ok() && self.hear_of(PING, ACK).await.is_some()
    }
}

/// The next frame that comes; `None` if the connection ends.
pub(crate) async fn hear(socket: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; HEAD_BYTES];
    socket.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).expect("24 bits");
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).await.ok()?;
    Some(Frame {
        kind,
        flags,
        stream: u32::from_be_bytes(stream),
        payload,
    })
}

/// A frame as it is sent.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a length")
        .to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What a client says first, with these settings. Those of the server it takes before it has seen them.
pub(crate) fn hello(parameters: &[(u16, u32)]) -> Vec<u8> {
    let taken = frame(SETTINGS, ACK, 0, &[]);
    [PREFACE, &settings(parameters), &taken].concat()
}

pub(crate) fn settings(parameters: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in parameters {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

pub(crate) fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[0; 8])
}

pub(crate) fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// A reset, because nobody needs the answer any more.
pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// The headers of a call.
pub(crate) fn call_headers(path: &str, secret: Option<&str>) -> Vec<u8> {
    request_headers("POST", path, "application/grpc", secret)
}

/// The headers of whatever is asked for, without compression (RFC 7541, section 6.2.2).
pub(crate) fn request_headers(
    method: &str,
    path: &str,
    content_type: &str,
    secret: Option<&str>,
) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", content_type),
        ("te", "trailers"),
    ] {
        literal(&mut block, name, value.as_bytes());
    }
    if let Some(secret) = secret {
        literal(
            &mut block,
            "authorization",
            format!("Bearer {secret}").as_bytes(),
        );
    }
    block
}

/// One header more.
pub(crate) fn literal(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    block.push(0);
    for text in [name.as_bytes(), value] {
        integer(block, text.len());
        block.extend(text);
    }
}

/// A length of a text that is not compressed (RFC 7541, section 5.1, with a prefix of 7 bits).
fn integer(block: &mut Vec<u8>, number: usize) {
    let Some(mut rest) = number.checked_sub(127) else {
        block.push(u8::try_from(number).expect("7 bits"));
        return;
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("7 bits") | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("7 bits"));
}

/// A message as gRPC frames it.
pub(crate) fn message(message: &impl prost::Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("a length");
    [&[0][..], &length.to_be_bytes(), &message].concat()
}

/// A whole call, its request in frames of at most 16 KiB.
pub(crate) fn call(stream: u32, headers: &[u8], body: &[u8]) -> Vec<u8> {
    let mut said = frame(HEADERS, END_HEADERS, stream, headers);
    let mut chunks = body.chunks(16 * 1024).peekable();
    while let Some(chunk) = chunks.next() {
        let last = if chunks.peek().is_none() {
            END_STREAM
        } else {
            0
        };
        said.extend(frame(DATA, last, stream, chunk));
    }
    said
}
