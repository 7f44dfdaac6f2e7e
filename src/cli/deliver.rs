//! Secrets on their way to whoever asked for them: to standard output, or into a file of their own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tonic::{Request, Response, Status};

use super::call::identify;
use super::connect::Session;
use super::failure::Failure;
use super::output::{Output, WithSecret};
use crate::proto::Change;

/// Nobody but the owner reads a secret.
const MODE: u32 = 0o600;

/// Where a secret goes.
#[derive(Debug, Default, Args)]
pub(super) struct Delivery {
    /// Write the secret into this new file, which only you can read; standard output then tells of the token [default: the
    /// secret alone goes to standard output]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long = "force", requires = "out")]
    replace: bool,
}

/// A file that has its name once it holds a secret, and not before.
struct SecretFile {
    path: PathBuf,
    /// Whether another of its name may go.
    replace: bool,
    draft: PathBuf,
    file: File,
}

/// Makes a secret, and sees to it that it arrives; if it doesn't, the failure says how to get it.
pub(super) async fn deliver<Q: Change, A: WithSecret>(
    session: &Session,
    mut request: Q,
    send: impl AsyncFn(Request<Q>) -> Result<Response<A>, Status>,
    delivery: Delivery,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let request_id = identify(&mut request)?;
    let file = match delivery.out {
        Some(path) => Some(SecretFile::draft(path, delivery.replace, &request_id)?),
        None if output.picks() => {
            return Err(Failure::usage(
                "the secret would be shown nowhere, and it is shown once",
                "name a file for it with --out",
            ));
        }
        None => None,
    };
    let mut response = session.change(request, send).await?;
    let token = response.token();
    let undelivered = |error| Failure::Undelivered {
        token_id: token.map(|t| t.token_id.clone()).unwrap_or_default(),
        request_id,
        error,
    };
    let Some(file) = file else {
        return output.secret(&response).map_err(undelivered);
    };
    file.keep(response.secret()).map_err(undelivered)?;
    response.forget_secret();
    output.one(&response, response.token())?;
    output.warnings(response.warnings());
    output.usage(response.usage().unwrap_or_default());
    Ok(())
}

// === impl SecretFile ===

impl SecretFile {
    /// Finds out that it can be written before there is a secret that could get lost.
    fn draft(path: PathBuf, replace: bool, request_id: &str) -> Result<Self, Failure> {
        let failure = |error: io::Error| {
            Failure::usage(
                format!("can't write the secret to {}: {error}", path.display()),
                "name another file, or make its directory",
            )
        };
        if path.is_dir() {
            return Err(failure(io::ErrorKind::IsADirectory.into()));
        }
        if !replace && path.symlink_metadata().is_ok() {
            return Err(Failure::usage(
                format!("{} is there already, and may hold a secret", path.display()),
                "name another file, or replace this one with --force",
            ));
        }
        let mut draft = path.clone().into_os_string();
        draft.push(format!(".{request_id}"));
        let draft = PathBuf::from(draft);
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(MODE);
        let file = options.open(&draft).map_err(failure)?;
        Ok(Self {
            path,
            replace,
            draft,
            file,
        })
    }

    fn keep(mut self, secret: &str) -> io::Result<()> {
        writeln!(self.file, "{secret}")?;
        self.file.sync_all()?;
        // One that came there in the meantime stays.
        let flags = if self.replace {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        Ok(renameat_with(CWD, &self.draft, CWD, &self.path, flags)?)
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        // After it was kept there is none.
        let _ = fs::remove_file(&self.draft);
    }
}
