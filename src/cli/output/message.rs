//! Answers as the API's own messages: canonical protobuf JSON, or the same as YAML. Empty fields are written too, so that
//! scripts always find them.

use std::io;

use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde::{Serialize, Serializer};

use super::Answer;

/// What YAML puts before each of several documents.
const DOCUMENT: &str = "---\n";

/// A message with all its fields.
struct Whole(DynamicMessage);

/// Canonical protobuf JSON.
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

/// YAML.
pub(super) fn yaml<A: Answer>(answer: &A) -> io::Result<String> {
    serde_saphyr::to_string(&Whole(reflected(answer)?)).map_err(io::Error::other)
}

/// One of several documents.
pub(super) fn yaml_document<A: Answer>(answer: &A) -> io::Result<String> {
    Ok(format!("{DOCUMENT}{}", yaml(answer)?))
}

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0
            .serialize_with_options(serializer, &with_all_fields())
    }
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
