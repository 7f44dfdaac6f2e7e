//! Compiles the protobuf files with protox, so that no `protoc` is needed.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);

    let api = protox::compile(
        [
            "tokenauthority/v1/directory.proto",
            "tokenauthority/v1/error_reason.proto",
            "tokenauthority/v1/keys.proto",
            "tokenauthority/v1/token_admin.proto",
            "tokenauthority/v1/token_verify.proto",
            // Registered with reflection too, so that clients can read error details.
            "google/rpc/error_details.proto",
        ],
        ["proto"],
    )?;
    std::fs::write(out.join("api.bin"), prost::Message::encode_to_vec(&api))?;
    tonic_prost_build::configure()
        .extern_path(".google.rpc", "::tonic_types::pb")
        .codec_path("crate::grpc::codec::LeanCodec")
        .compile_fds(api)?;

    let records = protox::compile(["tokenauthority/store/v1/records.proto"], ["proto"])?;
    prost_build::Config::new().compile_fds(records)?;
    Ok(())
}
