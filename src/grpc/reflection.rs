//! Server reflection, v1 and v1alpha: Python and older tools speak only the latter.
//!
//! The descriptors of `google.rpc` are among those served, so that clients can read the details of errors.

use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

use super::context::MAX_VERIFY_BYTES;

/// Adds both versions to the routes.
pub fn add_to(routes: Routes) -> Result<Routes, Error> {
    Ok(routes
        .add_service(
            schema()
                .build_v1()?
                .max_decoding_message_size(MAX_VERIFY_BYTES),
        )
        .add_service(
            schema()
                .build_v1alpha()?
                .max_decoding_message_size(MAX_VERIFY_BYTES),
        ))
}

fn schema() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(crate::proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
