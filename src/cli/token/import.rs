//! `token import`.

mod items;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use prost::Message as _;
use tokio::time::sleep;
use tonic_types::pb;
use zeroize::Zeroizing;

use self::items::Item;
use super::super::connect::Session;
use super::super::failure::Failure;
use super::super::output::{Output, Shown};
use super::super::words::Word;
use crate::proto::v1;
use crate::proto::v1::ErrorReason;

/// What stands below its help.
pub(super) const EXAMPLES: &str = "\
Items, one a line as JSON, or as CSV whose first line names the fields; the same fields either way:
  plaintext | sha256 | argon2_phc   what is known of the token's string: exactly one
  locator                           of a sha256 or argon2_phc: the part of the string that finds it
  user                              whose rights it carries; required
  display_name, description         one of them is required
  expire_time | lifetime            such as 2027-06-30T00:00:00Z, or 90d
  not_before, suspended, department, user_type, access_right, permissions, apis, allowed_cidrs
In CSV, the items of a list are separated by spaces.

Strings are found by a digest of the whole, or, if they are weak or known by an Argon2 hash, by the
public part before --separator, or the first --prefix-length characters.

Examples: what would happen, then the import, and what is to be rotated afterwards
  $ cat tokens.jsonl
  {\"user\": \"till\", \"display_name\": \"till-7\", \"plaintext\": \"till7.Wd0NpJ5bHs9CgAf2UeQo\"}
  {\"user\": \"till\", \"display_name\": \"till-8\", \"sha256\": \"9f86d081...\"}
  token-authority token import --library acme --file tokens.jsonl \\
    --separator . --declared-entropy-bits 128 --dry-run
  token-authority token import --library acme --file tokens.csv --separator .
  token-authority token list --library acme --imported weak";

/// Most items of one call.
const MAX_ITEMS: usize = 1000;
/// Most bytes of the items of one call: a request has at most 4 MiB.
const MAX_BATCH_BYTES: usize = 3 * 1024 * 1024;
/// Largest file, bytes: a few hundred thousand tokens.
const MAX_FILE_BYTES: u64 = 128 << 20;
/// How often items that were not reached are sent again while no other is.
const FRUITLESS: u32 = 5;
/// Pause before they are, then.
const PAUSE: Duration = Duration::from_secs(1);

/// `token import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The library that they shall belong to [default: your own]
    #[arg(long)]
    library: Option<String>,
    /// The file to read, or - for standard input
    #[arg(long, value_name = "PATH", default_value = "-")]
    file: PathBuf,
    /// How it is written [default: by the file's ending, else json]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// What is found by a part of its string is found by the part before this mark
    #[arg(long, value_name = "MARK")]
    separator: Option<String>,
    /// The same, by its first so many characters, 4 to 64
    #[arg(long, value_name = "NUMBER", conflicts_with = "separator")]
    prefix_length: Option<u32>,
    /// How many bits of entropy digests have; 112 or more make them strong [default: unknown]
    #[arg(long, value_name = "BITS")]
    declared_entropy_bits: Option<u32>,
    /// Check everything and import nothing
    #[arg(long)]
    dry_run: bool,
}

/// How items are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON object on each line
    Json,
    /// A line of names, then a line of values for each item
    Csv,
}

/// What became of an item, for people.
struct Row<'a> {
    item: &'a Item,
    result: &'a v1::ImportTokensResult,
    dry_run: bool,
}

/// How many came to what.
#[derive(Default)]
struct Count {
    imported: usize,
    weak: usize,
    already: usize,
    failed: usize,
}

// === impl Import ===

impl Import {
    pub(super) async fn run(
        self,
        session: &Session,
        stdin: &mut dyn Read,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let text = self.read(stdin)?;
        let items = match self.format() {
            Format::Json => items::of_json_lines(&text)?,
            Format::Csv => items::of_csv(&text)?,
        };
        let mut results = Vec::with_capacity(items.len());
        let mut rest = items.as_slice();
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_length(rest));
            output.progress("importing", results.len(), Some(items.len()));
            results.extend(self.import(session, batch).await?);
            rest = others;
        }
        let response = v1::ImportTokensResponse { results };
        let rows: Vec<Row<'_>> = items
            .iter()
            .zip(&response.results)
            .map(|(item, result)| Row {
                item,
                result,
                dry_run: self.dry_run,
            })
            .collect();
        output.many(&response, &rows, "")?;
        let count = Count::of(&response.results);
        count.tell(self.dry_run, output);
        match count.failed {
            0 => Ok(()),
            failed => Err(Failure::Partly {
                failed,
                of: items.len(),
            }),
        }
    }

    fn format(&self) -> Format {
        let csv = self.file.extension().is_some_and(|ending| ending == "csv");
        self.format
            .unwrap_or(if csv { Format::Csv } else { Format::Json })
    }

    fn read(&self, stdin: &mut dyn Read) -> Result<Zeroizing<String>, Failure> {
        let mut file;
        let (name, input): (_, &mut dyn Read) = if self.file.as_os_str() == "-" {
            ("standard input".to_owned(), stdin)
        } else {
            let open = File::open(&self.file);
            file = open.map_err(|error| Failure::file("the tokens", &self.file, &error))?;
            (self.file.display().to_string(), &mut file)
        };
        let mut bytes = Zeroizing::new(Vec::new());
        input.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let why = format!("{name} holds more than 128 MiB");
            return Err(Failure::usage(why, "split it"));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Failure::usage(format!("{name} is not text"), items::HINT))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Imports a batch. What the server did not reach is sent again, as long as that helps.
    async fn import(
        &self,
        session: &Session,
        batch: &[Item],
    ) -> Result<Vec<v1::ImportTokensResult>, Failure> {
        let mut results = vec![v1::ImportTokensResult::default(); batch.len()];
        let mut left: Vec<usize> = (0..batch.len()).collect();
        let mut fruitless = 0;
        loop {
            let request = self.request(left.iter().map(|i| batch[*i].item.clone()).collect());
            let send = async |request| session.token_admin().import_tokens(request).await;
            let answer = session.change(request, send).await?;
            let asked = left.len();
            let mut unreached = Vec::new();
            for (i, result) in left.into_iter().zip(answer.results) {
                if is(&result, ErrorReason::LimitExceeded) {
                    unreached.push(i);
                }
                results[i] = result;
            }
            left = unreached;
            if left.len() < asked {
                fruitless = 0;
            } else {
                fruitless += 1;
            }
            if left.is_empty() || fruitless == FRUITLESS {
                return Ok(results);
            }
            if fruitless > 0 {
                sleep(PAUSE).await;
            }
        }
    }

    fn request(&self, items: Vec<v1::ImportItem>) -> v1::ImportTokensRequest {
        v1::ImportTokensRequest {
            library: self.library.clone().unwrap_or_default(),
            items,
            declared_entropy_bits: self.declared_entropy_bits.unwrap_or_default(),
            separator: self.separator.clone().unwrap_or_default(),
            prefix_length: self.prefix_length.unwrap_or_default(),
            dry_run: self.dry_run,
            request_id: String::new(),
        }
    }
}

// === impl Count ===

impl Count {
    fn of(results: &[v1::ImportTokensResult]) -> Count {
        let mut count = Count::default();
        for result in results {
            match &result.error {
                Some(_) if is_same(result) => count.already += 1,
                Some(_) => count.failed += 1,
                None if result.token.is_none() => count.failed += 1,
                None => {
                    count.imported += 1;
                    count.weak += usize::from(result.strength() == v1::ImportStrength::Weak);
                }
            }
        }
        count
    }

    fn tell(&self, dry_run: bool, output: &mut Output<'_>) {
        let would = if dry_run { "would be " } else { "" };
        let Count {
            imported,
            weak,
            already,
            failed,
        } = self;
        let summary = format!(
            "{imported} {would}imported, {weak} of them weak; {already} there already; {failed} failed"
        );
        output.note("note", &summary);
        if *weak > 0 {
            let why = "weak tokens can be guessed sooner than others: `token list --imported weak` names them, \
                `token rotate` replaces each";
            output.note("warning", why);
        }
    }
}

// === impl Row ===

impl Shown for Row<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "line",
        "user",
        "display-name",
        "token-id",
        "strength",
        "outcome",
    ];
    const NAMED_BY: &'static str = "token-id";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let Row {
            item,
            result,
            dry_run,
        } = self;
        let outcome = match &result.error {
            Some(_) if is_same(result) => "there already".to_owned(),
            Some(error) => error.message.clone(),
            None if result.token.is_none() => "no answer".to_owned(),
            None if *dry_run => "would be imported".to_owned(),
            None => "imported".to_owned(),
        };
        let there = info(result).and_then(|mut info| info.metadata.remove("token_id"));
        let token_id = result.token.as_ref().map(|token| token.token_id.clone());
        vec![
            ("line", item.line.to_string()),
            ("user", item.item.user.clone()),
            ("display-name", item.item.display_name.clone()),
            ("token-id", token_id.or(there).unwrap_or_default()),
            ("strength", v1::ImportStrength::word(result.strength)),
            ("outcome", outcome),
            ("warnings", result.warnings.join("; ")),
        ]
    }
}

/// How many of these items one call takes: one at least.
fn batch_length(items: &[Item]) -> usize {
    let mut bytes = 0;
    let fitting = items.iter().take(MAX_ITEMS).take_while(|item| {
        bytes += item.item.encoded_len();
        bytes <= MAX_BATCH_BYTES
    });
    fitting.count().max(1)
}

fn info(result: &v1::ImportTokensResult) -> Option<pb::ErrorInfo> {
    let mut details = result.error.as_ref()?.details.iter();
    let info = details.find(|any| any.type_url.ends_with("/google.rpc.ErrorInfo"))?;
    pb::ErrorInfo::decode(info.value.as_slice()).ok()
}

fn is(result: &v1::ImportTokensResult, reason: ErrorReason) -> bool {
    info(result).is_some_and(|info| reason.as_str_name() == format!("ERROR_REASON_{}", info.reason))
}

/// Whether it is certain that this same token was imported before.
fn is_same(result: &v1::ImportTokensResult) -> bool {
    let same = info(result).and_then(|mut info| info.metadata.remove("same"));
    same.is_some_and(|same| same == "true")
}
