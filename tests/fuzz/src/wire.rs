//! HTTP/2 frames, as far as a client needs them (RFC 9113, section 6; header fields as in RFC 7541, without compression).

/// What every client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
/// Flags of frames.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Entries of the static table: whole fields, and one whose name alone is taken.
const METHOD_POST: u8 = 0x80 | 3;
const SCHEME_HTTP: u8 = 0x80 | 6;
const NAME_OF_PATH: u8 = 4;

/// Preface and settings: what a connection begins with.
#[must_use]
pub fn greeting() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// A call on a stream, the body as it is.
#[must_use]
pub fn call(stream: u32, path: &str, credential: &str, body: &[u8]) -> Vec<u8> {
    let mut fields = vec![METHOD_POST, SCHEME_HTTP, NAME_OF_PATH];
    fields.extend(text(path));
    for (name, value) in [
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", credential),
    ] {
        fields.push(0);
        fields.extend(text(name));
        fields.extend(text(value));
    }
    let headers = frame(HEADERS, END_HEADERS, stream, &fields);
    [headers, frame(DATA, END_STREAM, stream, body)].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("an input is short")
        .to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A text, not compressed, of less than 127 bytes.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    assert!(length < 127, "a longer one has its length in more bytes");
    [&[length], text.as_bytes()].concat()
}
