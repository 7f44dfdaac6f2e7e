//! Commands with everything as usual.

use super::samples::{assignments, granted, lifetime, name};
use crate::authority::directory::{SecretDisplay, UserKind};
use crate::authority::issue::CreateToken;
use crate::authority::libraries::{CreateLibrary, UpdateLibrary};
use crate::authority::permission::PermissionSet;
use crate::authority::user_types::CreateUserType;
use crate::authority::users::{CreateUser, UpdateUser};

pub(super) fn create_library(of: &str) -> CreateLibrary {
    CreateLibrary {
        library: name(of),
        display_name: String::new(),
        tenant_id: String::new(),
        tokens_enabled: true,
        default_lifetime: lifetime("12mo"),
        suggested_lifetime: lifetime("12mo"),
        max_lifetime: lifetime("24mo"),
        contact_apis: Vec::new(),
        allowed_cidrs: Vec::new(),
        max_tokens_per_user: 0,
        secret_display: SecretDisplay::Once,
        usage_instructions: String::new(),
        session_idle_timeout: None,
    }
}

pub(super) fn update_library(of: &str) -> UpdateLibrary {
    UpdateLibrary {
        library: name(of),
        display_name: None,
        tenant_id: None,
        disabled: None,
        tokens_enabled: None,
        default_lifetime: None,
        suggested_lifetime: None,
        max_lifetime: None,
        contact_apis: None,
        allowed_cidrs: None,
        max_tokens_per_user: None,
        secret_display: None,
        usage_instructions: None,
        session_idle_timeout: None,
        etag: String::new(),
    }
}

pub(super) fn create_user_type(of: &str, permissions: &[&str]) -> CreateUserType {
    CreateUserType {
        library: name("acme"),
        user_type: name(of),
        permissions: granted(permissions),
    }
}

pub(super) fn create_user(of: &str, assigned: &[&str]) -> CreateUser {
    CreateUser {
        library: name("acme"),
        user: name(of),
        display_name: String::new(),
        email: String::new(),
        kind: UserKind::Standard,
        assignments: assignments(assigned),
        data_owner: String::new(),
    }
}

pub(super) fn update_user(of: &str) -> UpdateUser {
    UpdateUser {
        library: name("acme"),
        user: name(of),
        display_name: None,
        email: None,
        disabled: None,
        assignments: None,
        data_owner: None,
        etag: String::new(),
    }
}

pub(super) fn create_token(user: &str) -> CreateToken {
    CreateToken {
        library: name("acme"),
        user: Some(name(user)),
        display_name: "a token".to_owned(),
        description: String::new(),
        until: None,
        not_before: None,
        suspended: false,
        pin: None,
        access_right: None,
        permissions: PermissionSet::default(),
        apis: Vec::new(),
        allowed_cidrs: Vec::new(),
    }
}
