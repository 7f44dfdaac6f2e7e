//! The data directory under test, and the records that every load needs.

use std::path::Path;

use tempfile::TempDir;
use token_authority::proto::v1::{
    Assignment, CreateLibraryRequest, CreateUserRequest, CreateUserTypeRequest,
};

use crate::harness::Server;

pub(crate) const LIBRARY: &str = "acme";
pub(crate) const USER: &str = "app";
const USER_TYPE: &str = "reader";

/// A data directory that is removed when it is dropped.
pub(crate) struct Directory(TempDir);

// === impl Directory ===

impl Directory {
    /// An empty one.
    pub(crate) fn new() -> Directory {
        Directory(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The engine's files.
    pub(crate) fn store(&self) -> std::path::PathBuf {
        self.0.path().join("store")
    }
}

/// Makes a library whose tokens may be created, and a user for them.
pub(crate) async fn furnish(server: &Server) {
    server.ready().await;
    let mut directory = server.clients(&server.operator_secret()).directory;
    let library = CreateLibraryRequest {
        library: LIBRARY.into(),
        tokens_enabled: true,
        ..Default::default()
    };
    directory.create_library(library).await.expect("a library");
    let user_type = CreateUserTypeRequest {
        library: LIBRARY.into(),
        user_type: USER_TYPE.into(),
        permissions: vec!["orders:read".into()],
        ..Default::default()
    };
    directory
        .create_user_type(user_type)
        .await
        .expect("a user type");
    let user = CreateUserRequest {
        library: LIBRARY.into(),
        user: USER.into(),
        assignments: vec![Assignment {
            department: String::new(),
            user_type: USER_TYPE.into(),
        }],
        ..Default::default()
    };
    directory.create_user(user).await.expect("a user");
}
