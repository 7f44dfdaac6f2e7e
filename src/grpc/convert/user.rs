//! User types and users.

use super::{
    Clear, assignment, display_name, known, name, permissions, required_name, short, timestamp,
};
use crate::authority::directory::{Assignment, MAX_ASSIGNMENTS, User, UserKind, UserType};
use crate::authority::error::{Error, Faults};
use crate::authority::name::{self as names, MAX_EMAIL_BYTES, Name};
use crate::authority::permission::PermissionSet;
use crate::authority::user_types::{CreateUserType, DeleteUserType, UpdateUserType};
use crate::authority::users::{CreateUser, DeleteUser, UpdateUser};
use crate::proto::v1;

pub(in crate::grpc) fn create_user_type(
    message: v1::CreateUserTypeRequest,
    library: Name,
) -> Result<CreateUserType, Error> {
    let v1::CreateUserTypeRequest {
        library: _,
        user_type,
        permissions: listed,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let permissions = permissions(&mut faults, &listed);
    let user_type = required_name(&mut faults, "user_type", &user_type);
    faults.check()?;
    let user_type = user_type.ok_or_else(|| Error::invalid("user_type", "must be given"))?;
    Ok(CreateUserType {
        library,
        user_type,
        permissions,
    })
}

pub(in crate::grpc) fn update_user_type(
    message: v1::UpdateUserTypeRequest,
    library: Name,
) -> Result<UpdateUserType, Error> {
    let v1::UpdateUserTypeRequest {
        library: _,
        user_type,
        permissions: listed,
        clear,
        etag,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let clear = Clear(&clear);
    clear.check(&mut faults, &["permissions"]);
    let set = permissions(&mut faults, &listed);
    let permissions = clear.list(
        &mut faults,
        "permissions",
        &listed,
        set,
        PermissionSet::default(),
    );
    let user_type = required_name(&mut faults, "user_type", &user_type);
    faults.check()?;
    let user_type = user_type.ok_or_else(|| Error::invalid("user_type", "must be given"))?;
    Ok(UpdateUserType {
        library,
        user_type,
        permissions,
        etag,
    })
}

pub(in crate::grpc) fn delete_user_type(
    message: v1::DeleteUserTypeRequest,
    library: Name,
) -> Result<DeleteUserType, Error> {
    let v1::DeleteUserTypeRequest {
        library: _,
        user_type,
        etag,
        request_id: _,
    } = message;
    Ok(DeleteUserType {
        library,
        user_type: name("user_type", &user_type)?,
        etag,
    })
}

pub(in crate::grpc) fn create_user(
    message: v1::CreateUserRequest,
    library: Name,
) -> Result<CreateUser, Error> {
    let v1::CreateUserRequest {
        library: _,
        user,
        display_name: shown,
        email,
        kind,
        assignments: assigned,
        data_owner,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let user = required_name(&mut faults, "user", &user);
    let display_name = display_name(&mut faults, &shown);
    let email = faults
        .take("email", names::text(&email, MAX_EMAIL_BYTES))
        .unwrap_or_default();
    let kind = match known::<v1::UserKind>(&mut faults, "kind", kind) {
        None | Some(v1::UserKind::Unspecified | v1::UserKind::Standard) => UserKind::Standard,
        Some(v1::UserKind::ApiOnly) => UserKind::ApiOnly,
        Some(v1::UserKind::Contact) => UserKind::Contact,
    };
    let assignments = assignments(&mut faults, &assigned);
    let data_owner = short(&mut faults, "data_owner", &data_owner);
    faults.check()?;
    let user = user.ok_or_else(|| Error::invalid("user", "must be given"))?;
    Ok(CreateUser {
        library,
        user,
        display_name,
        email,
        kind,
        assignments,
        data_owner,
    })
}

pub(in crate::grpc) fn update_user(
    message: v1::UpdateUserRequest,
    library: Name,
) -> Result<UpdateUser, Error> {
    let v1::UpdateUserRequest {
        library: _,
        user,
        display_name,
        email,
        state,
        assignments: assigned,
        data_owner,
        clear,
        etag,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let clear = Clear(&clear);
    clear.check(&mut faults, &["display_name", "email", "assignments"]);
    let user = required_name(&mut faults, "user", &user);
    let display_name = clear
        .text(&mut faults, "display_name", display_name)
        .map(|t| short(&mut faults, "display_name", &t));
    let email = clear.text(&mut faults, "email", email);
    let email = email.and_then(|text| faults.take("email", names::text(&text, MAX_EMAIL_BYTES)));
    let disabled =
        state.and_then(
            |state| match known::<v1::UserState>(&mut faults, "state", state) {
                None | Some(v1::UserState::Unspecified) => None,
                Some(v1::UserState::Active) => Some(false),
                Some(v1::UserState::Disabled) => Some(true),
            },
        );
    let parsed = assignments(&mut faults, &assigned);
    let assignments = clear.list(&mut faults, "assignments", &assigned, parsed, Vec::new());
    let data_owner = data_owner.map(|text| short(&mut faults, "data_owner", &text));
    faults.check()?;
    let user = user.ok_or_else(|| Error::invalid("user", "must be given"))?;
    Ok(UpdateUser {
        library,
        user,
        display_name,
        email,
        disabled,
        assignments,
        data_owner,
        etag,
    })
}

pub(in crate::grpc) fn delete_user(
    message: v1::DeleteUserRequest,
    library: Name,
) -> Result<DeleteUser, Error> {
    let v1::DeleteUserRequest {
        library: _,
        user,
        etag,
        request_id: _,
    } = message;
    Ok(DeleteUser {
        library,
        user: name("user", &user)?,
        etag,
    })
}

pub(in crate::grpc) fn user_type(
    user_type: UserType,
    library: &Name,
    etag: String,
) -> v1::UserType {
    let UserType {
        library_uid: _,
        user_type,
        permissions,
        create_time,
    } = user_type;
    v1::UserType {
        library: library.to_string(),
        user_type: user_type.to_string(),
        permissions: permissions.texts().map(str::to_owned).collect(),
        create_time: Some(timestamp(create_time)),
        etag,
    }
}

pub(in crate::grpc) fn user(user: User, library: &Name, etag: String) -> v1::User {
    let User {
        library_uid: _,
        user,
        uid,
        display_name,
        email,
        kind,
        disabled,
        assignments,
        data_owner,
        create_time,
    } = user;
    v1::User {
        library: library.to_string(),
        user: user.to_string(),
        uid: uid.to_string(),
        display_name,
        email,
        kind: user_kind(kind).into(),
        state: if disabled {
            v1::UserState::Disabled
        } else {
            v1::UserState::Active
        }
        .into(),
        assignments: assignments.iter().map(assignment).collect(),
        data_owner,
        create_time: Some(timestamp(create_time)),
        etag,
    }
}

pub(super) fn user_kind(kind: UserKind) -> v1::UserKind {
    match kind {
        UserKind::Standard => v1::UserKind::Standard,
        UserKind::ApiOnly => v1::UserKind::ApiOnly,
        UserKind::Contact => v1::UserKind::Contact,
    }
}

fn assignments(faults: &mut Faults, items: &[v1::Assignment]) -> Vec<Assignment> {
    faults.take_list("assignments", items, MAX_ASSIGNMENTS, |item| {
        let v1::Assignment {
            department,
            user_type,
        } = item;
        let department = Name::parse_optional(department)
            .map_err(|why| format!("has a department that {why}"))?;
        let user_type =
            Name::parse(user_type).map_err(|why| format!("has a user_type that {why}"))?;
        Ok::<_, String>(Assignment {
            department,
            user_type,
        })
    })
}
