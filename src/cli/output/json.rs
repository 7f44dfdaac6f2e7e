//! Answers as canonical protobuf JSON.

use std::io;

use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

use super::Answer;

/// Canonical protobuf JSON. Empty fields are written too, so that scripts always find them.
pub(super) fn json<A: Answer>(answer: &A) -> io::Result<String> {
    let (message, options) = (reflected(answer)?, with_all_fields());
    let mut text = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::pretty(&mut text), &options)?;
    ended(text)
}

/// The same on one line.
pub(super) fn json_line<A: Answer>(answer: &A) -> io::Result<String> {
    let (message, options) = (reflected(answer)?, with_all_fields());
    let mut text = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut text), &options)?;
    ended(text)
}

fn reflected<A: Answer>(answer: &A) -> io::Result<DynamicMessage> {
    let pool = DescriptorPool::decode(A::DESCRIPTORS).map_err(io::Error::other)?;
    let descriptor = pool
        .get_message_by_name(A::NAME)
        .ok_or_else(|| io::Error::other(A::NAME))?;
    let mut message = DynamicMessage::new(descriptor);
    message.transcode_from(answer).map_err(io::Error::other)?;
    Ok(message)
}

fn with_all_fields() -> SerializeOptions {
    SerializeOptions::new().skip_default_fields(false)
}

fn ended(mut text: Vec<u8>) -> io::Result<String> {
    text.push(b'\n');
    String::from_utf8(text).map_err(io::Error::other)
}
