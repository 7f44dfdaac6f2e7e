//! Logins and passwords.

use super::short;
use crate::authority::cidr::Address;
use crate::authority::error::{Error, Faults};
use crate::authority::name::Name;
use crate::authority::password::Password;
use crate::authority::sessions::{OpenSession, SetPassword};
use crate::proto::v1;

pub(in crate::grpc) fn open_session(
    message: v1::OpenSessionRequest,
    library: Name,
) -> Result<OpenSession, Error> {
    let v1::OpenSessionRequest {
        library: _,
        user,
        password,
        device_name,
        client_ip,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let password = faults.take("password", Password::presented(password));
    let user = faults.take("user", Name::parse(&user));
    let device_name = short(&mut faults, "device_name", &device_name);
    let client_ip = match client_ip.as_str() {
        "" => None,
        text => faults.take("client_ip", Address::parse(text)),
    };
    faults.check()?;
    match (user, password) {
        (Some(user), Some(password)) => Ok(OpenSession {
            library,
            user,
            password,
            device_name,
            client_ip,
        }),
        _ => Err(Error::invalid("user", "must be given")),
    }
}

pub(in crate::grpc) fn set_password(
    message: v1::SetPasswordRequest,
    library: Name,
) -> Result<SetPassword, Error> {
    let v1::SetPasswordRequest {
        library: _,
        user,
        password,
        remove,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let user = faults.take("user", Name::parse_optional(&user)).flatten();
    let password = match (remove, password.is_empty()) {
        (false, _) => faults.take("password", Password::chosen(password)),
        (true, true) => None,
        (true, false) => {
            faults.add("password", "must not be given together with remove");
            None
        }
    };
    faults.check()?;
    Ok(SetPassword {
        library,
        user,
        password,
    })
}
