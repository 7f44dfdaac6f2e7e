//! `token-authority` issues opaque API tokens and answers, for every request that any backend receives: *is this token good
//! for this, right now?*
//!
//! # The map
//!
//! **grpc speaks, authority decides, store remembers.** Imports go in that direction only; `tests/tidy` keeps it so.
//!
//! | module | what it is | what it must not know |
//! |---|---|---|
//! | [`grpc`] | messages to domain and back, who calls, the one table from error to code | what a verdict depends on; engines |
//! | [`authority`] | what records mean: the judge, the index, the commands, the key layout | gRPC, public messages, engines, the wall clock |
//! | [`store`] | bytes, revisions, atomic commits, durability, the feed of commits | what a token is |
//! | [`serve`] | the composition root: in which order all of it starts and stops; sockets, TLS, threads | |
//! | [`config`], [`telemetry`], [`clock`] | settings from one table; logs; the time that tokens are judged by | |
//! | [`cli`] | the command line, a gRPC client; it never opens the database | all of the above but [`proto`] and the time |
//! | [`proto`] | the generated code: `v1` is the API, `store` is what is on disk | |
//!
//! Where to look first: `authority/keyspace.rs` is the whole database on one screen, `authority/judge.rs` the order of the
//! verdicts, `grpc/identity.rs` the rule of every RPC, `grpc/status.rs` the code of every error, `config.rs` every setting.
//!
//! # What is always true
//!
//! Mostly it is what is *absent*.
//!
//! - Verify reads memory alone. It calls no store, writes nothing, and waits for nothing, except for a token that is not
//!   loaded yet after a start, and for the first use of a weak one that was imported. What tokens are used for it notes in
//!   memory; upkeep writes that later, apart from the tokens.
//! - The index is changed by the store's writer alone, by whole durable batches, under one write lock. A judgement holds the
//!   read lock, so it sees one revision; what it has not seen, nobody was promised (G2), and what somebody was promised, it
//!   has seen (G3).
//! - There is one way to write: [`authority::transaction`]. A commit names every record that its authorisation and its checks
//!   read, and carries its audit event and the answer to a repeat. No command commits on a right that was just taken away.
//! - A caller's credential is a token like any other, judged by the same judge. There is no root key and no second kind of
//!   credential: operators are users of the library `system`.
//! - Nothing is set by a job: EXPIRED and REVOKED are judged at each use, by the time that the call is given.
//! - No type that holds a secret can be printed. A secret leaves the process in the one answer that makes it.
//! - What can't be read, decoded or decided refuses. No error path ends in VALID (G6).
//!
//! # The walks
//!
//! **Create.** [`grpc::context`] gives the call its id, span and deadline. [`grpc::identity`] judges the credential for
//! `tokens:admin`. `grpc/convert` takes the message apart, all faults at once. [`authority::transaction`] judges the caller
//! again and asks [`authority::issue`] for a plan: a token with a fresh secret, of which the HMAC tag is kept. The commit is
//! three keys: token, audit event, answer to a repeat (the secret sealed). `store/sled/writer.rs` batches it with what else
//! waits, syncs the file, tells the index, and only then answers.
//!
//! **Verify.** The same two layers; then [`authority::secret`] parses 76 characters, the index finds 96 bytes, one HMAC is
//! compared in constant time, and [`authority::judge`] goes through the verdicts in their order. An unknown id takes the same
//! path against another token.
//!
//! **Use.** When Verify has judged a secret that proved right, [`authority::uses`] notes in the bucket of the token's id: when,
//! from where, asked by which service, for what; or that it was refused. Each second upkeep writes a few buckets in which
//! something is new, those with sessions first, and tells of refused uses in audit events. A session that may lie idle is
//! judged by its last use; [`authority::review`] tells administrators what nobody uses.
//!
//! **Revoke.** As Create, with a record that has a revocation. When it returns, the change is on disk and in the index: every
//! Verify that begins afterwards is refused.
//!
//! **Log in.** [`authority::sessions`] counts the attempt, hashes the password on one of few threads that do nothing else, and
//! only then plans a token as Create does. The commit names the password that was proved. Nothing of it is on Verify's way.
//!
//! **Watch.** Each commit leaves its audit event in [`authority`]'s feed, a ring in memory that waits for nobody. A watcher takes
//! from it at its own pace, and goes over the log for what lies further back; its caller is judged again at every look.
//! Upkeep tells which tokens expire as events of its own.
//!
//! **Import.** As Create, item by item, with a string that another system made up: [`authority::import`] computes the id from
//! it, so Verify finds it without a table. A strong one is proved by its HMAC from then on; a weak one is hashed on the same
//! few threads as passwords, counted as a guess, and leaves its HMAC at its first use. How weak ones are
//! cut is a small record of each library, written by the first that is cut so.
//!
//! **Rotate keys.** [`authority::key_versions`] commits a new HMAC key, and the index has it with that commit: what is made from
//! then on hangs on it. When Verify proves a token by an older key, [`authority`]'s retag queue notes the new tag, and upkeep writes
//! it, with what tokens are used for. [`authority::rewrap`] changes the root key above them, in a process of its own.
//!
//! **Start.** The port listens and health answers. The store opens; the root key is proved; keys and directory are loaded,
//! and how imported tokens are found. From here Verify answers correctly. The tokens follow in slices between commits; one that
//! is not there yet is fetched by the writer. What they were used for comes last. When all is there, lists answer too, and an
//! operator's token is made if there is no live one.

pub mod authority;
pub mod cli;
pub mod clock;
pub mod config;
pub mod grpc;
pub mod proto;
pub mod serve;
pub mod store;
pub mod telemetry;
