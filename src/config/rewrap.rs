//! What changing the root key is told. It is no setting: the server is stopped meanwhile.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// Change the root key of a store whose server is stopped
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("new").args(["new_root_key_file", "new_root_passphrase_file"]).required(true))]
pub struct Rewrap {
    /// The data directory of the server
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The file with the root key that there is [default: root.key in the data directory]
    #[arg(long, value_name = "FILE", conflicts_with = "root_passphrase_file")]
    pub root_key_file: Option<PathBuf>,
    /// The file with the passphrase that there is
    #[arg(long, value_name = "FILE")]
    pub root_passphrase_file: Option<PathBuf>,
    /// The file with the new root key: 64 hexadecimal digits, as made by `openssl rand -hex 32`
    #[arg(long, value_name = "FILE")]
    pub new_root_key_file: Option<PathBuf>,
    /// The file with the new passphrase, at least 12 characters
    #[arg(long, value_name = "FILE")]
    pub new_root_passphrase_file: Option<PathBuf>,
}
