//! Keys, and what hangs on them.

use super::timestamp;
use crate::authority::index::Held;
use crate::authority::key_versions::KeyStatus;
use crate::authority::keys::RootSource;
use crate::proto::v1;

pub(in crate::grpc) fn key_version(status: KeyStatus) -> v1::KeyVersion {
    let KeyStatus {
        key,
        is_newest,
        held,
        passwords,
    } = status;
    let Held {
        tokens,
        unused,
        revoked,
    } = held;
    let state = match key.retire_time {
        Some(_) => v1::KeyState::Retired,
        None if is_newest => v1::KeyState::Current,
        None => v1::KeyState::Verifying,
    };
    let number = |count: usize| Some(u64::try_from(count).unwrap_or(u64::MAX));
    v1::KeyVersion {
        version: key.version,
        state: state.into(),
        create_time: Some(timestamp(key.create_time)),
        retire_time: key.retire_time.map(timestamp),
        tokens: number(tokens),
        unused_imported_tokens: number(unused),
        revoked_tokens: number(revoked),
        passwords: number(passwords),
    }
}

pub(in crate::grpc) fn root_source(source: RootSource) -> v1::RootKeySource {
    match source {
        RootSource::File => v1::RootKeySource::File,
        RootSource::Passphrase => v1::RootKeySource::Passphrase,
        RootSource::Made => v1::RootKeySource::Made,
    }
}
