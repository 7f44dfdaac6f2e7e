//! A library with a user, for suites that need tokens and care for nothing else.

use token_authority::proto::v1::{
    Assignment, CreateLibraryRequest, CreateUserRequest, CreateUserTypeRequest,
};

use super::Server;

pub(crate) const LIBRARY: &str = "acme";
pub(crate) const USER: &str = "app";
/// What the user may do.
pub(crate) const PERMISSION: &str = "orders:read";
const USER_TYPE: &str = "reader";

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
        permissions: vec![PERMISSION.into()],
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
