//! Which ports there are, and what each serves.

use std::fmt;
use std::net::{SocketAddr, TcpListener};

use super::ServeError;
use crate::config::Config;

/// What a port serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Everything.
    All,
    /// TokenVerify, health and reflection.
    Verify,
    /// All of the API but TokenVerify, health and reflection.
    Admin,
    /// Health, in plaintext.
    Health,
}

/// The sockets that the server listens at, bound already.
#[derive(Debug)]
pub struct Listeners(pub(super) Vec<(Port, TcpListener)>);

// === impl Listeners ===

impl Listeners {
    /// Binds what the configuration names: `listen` serves what no other was given for, and is left out if that is nothing.
    pub fn bind(config: &Config) -> Result<Listeners, ServeError> {
        let rest = match (config.verify_listen, config.admin_listen) {
            (None, None) => Some(Port::All),
            (Some(_), None) => Some(Port::Admin),
            (None, Some(_)) => Some(Port::Verify),
            (Some(_), Some(_)) => None,
        };
        let wanted = [
            ("listen", rest.map(|port| (port, config.listen))),
            (
                "verify_listen",
                config.verify_listen.map(|at| (Port::Verify, at)),
            ),
            (
                "admin_listen",
                config.admin_listen.map(|at| (Port::Admin, at)),
            ),
            (
                "health_listen",
                config.health_listen.map(|at| (Port::Health, at)),
            ),
        ];
        let wanted = wanted
            .into_iter()
            .filter_map(|(name, port)| Some((name, port?)));
        let bound = wanted.map(|(name, (port, address))| {
            let socket = TcpListener::bind(address);
            socket
                .map(|socket| (port, socket))
                .map_err(|error| ServeError::Listen(name, error))
        });
        Ok(Listeners(bound.collect::<Result<_, _>>()?))
    }

    /// Says at which address each listens.
    pub(super) fn addresses(&self) -> Result<Vec<(Port, SocketAddr)>, ServeError> {
        let addresses = self.0.iter().map(|(port, socket)| {
            let address = socket.local_addr();
            address
                .map(|address| (*port, address))
                .map_err(|error| ServeError::Listen("listen", error))
        });
        addresses.collect()
    }
}

impl From<TcpListener> for Listeners {
    /// One that serves everything.
    fn from(socket: TcpListener) -> Listeners {
        Listeners(vec![(Port::All, socket)])
    }
}

// === impl Port ===

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Port::All => "all",
            Port::Verify => "verify",
            Port::Admin => "admin",
            Port::Health => "health",
        })
    }
}
