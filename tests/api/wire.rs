//! Calls as bytes: of any method, with any metadata, with a body that no generated client would send.

use std::str::FromStr as _;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use token_authority::grpc::method::Method;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A call that is put together by hand.
pub(crate) struct Wire {
    channel: Channel,
    metadata: MetadataMap,
}

/// What a call was answered: the message, and the metadata that came with it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) message: Bytes,
    pub(crate) metadata: MetadataMap,
}

/// Messages as they are on the wire.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

// === impl Wire ===

impl Wire {
    /// Calls on this connection, without a credential.
    pub(crate) fn new(channel: Channel) -> Wire {
        Wire {
            channel,
            metadata: MetadataMap::new(),
        }
    }

    /// With this secret as the credential.
    pub(crate) fn bearer(self, secret: &str) -> Wire {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    /// With one more header, also of a name that is there.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Wire {
        let key: MetadataKey<Ascii> = name.parse().expect("a name");
        let value = MetadataValue::from_str(value).expect("a value");
        self.metadata.append(key, value);
        self
    }

    /// Calls `path`, such as `/tokenauthority.v1.TokenVerify/Verify`, with this body. Of a stream it is the first message.
    pub(crate) async fn call(&self, path: &str, body: impl Into<Bytes>) -> Result<Answer, Status> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.expect("a connection");
        let mut request = Request::new(body.into());
        *request.metadata_mut() = self.metadata.clone();
        let path = PathAndQuery::from_str(path).expect("a path");
        let streams = Method::at(path.as_str()).is_some_and(|method| method.streaming);
        if streams {
            // Such a call may have no end.
            let answer = client.server_streaming(request, path, Raw).await?;
            let (metadata, mut messages, _) = answer.into_parts();
            let message = messages.message().await?.expect("a message");
            return Ok(Answer { message, metadata });
        }
        let answer = client.unary(request, path, Raw).await?;
        let (metadata, message, _) = answer.into_parts();
        Ok(Answer { message, metadata })
    }
}

// === impl Raw ===

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
