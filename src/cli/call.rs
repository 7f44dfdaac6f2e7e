//! Calls that survive a server that is busy or restarting: a change carries an id that makes its repeat safe.

use std::num::NonZeroU32;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use super::connect::Session;
use super::failure::{Failure, is_unsettled};
use super::output::Output;
use crate::proto::Change;

/// How often one call is sent at most: a restart is ridden out, a server that is down is not hammered.
const ATTEMPTS: u32 = 5;
/// Pause before the first repeat; it doubles each time, unless the server names its own.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Items asked for at once: the most that the API gives.
const PAGE_SIZE: usize = 1000;

/// The id of a change, to repeat one whose outcome is not known.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Repeat {
    /// Repeat an earlier call that may or may not have happened: it is carried out once
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
}

/// The version that a change is based on.
#[derive(Debug, Default, clap::Args)]
pub(super) struct BasedOn {
    /// Change it only if it still has this etag, as `get` shows it
    #[arg(long)]
    etag: Option<String>,
}

/// How much of a list is wanted.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Limit {
    /// At most this many [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<NonZeroU32>,
}

/// Makes sure that a repeat of a change can be told from a second one, and says by which id.
pub(super) fn identify(request: &mut impl Change) -> Result<String, Failure> {
    let id = request.request_id_mut();
    if id.is_empty() {
        *id = random_uuid()?;
    }
    Ok(id.clone())
}

// === impl Repeat ===

impl Repeat {
    /// As the API takes it; empty for a call of its own.
    pub(super) fn request_id(self) -> String {
        self.request_id.unwrap_or_default()
    }
}

// === impl BasedOn ===

impl BasedOn {
    /// As the API takes it; empty for no check.
    pub(super) fn etag(self) -> String {
        self.etag.unwrap_or_default()
    }
}

// === impl Limit ===

impl Limit {
    /// Fetches page after page, by page size and page token, until there is no more or it is enough. The token of what
    /// was left off comes with it.
    pub(super) async fn pages<Item>(
        &self,
        output: &mut Output<'_>,
        fetch: impl AsyncFn(i32, String) -> Result<(Vec<Item>, String), Failure>,
    ) -> Result<(Vec<Item>, String), Failure> {
        let limit = self.limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit.get()).unwrap_or(usize::MAX)
        });
        let (mut items, mut page_token) = (Vec::new(), String::new());
        loop {
            let page_size = i32::try_from(PAGE_SIZE.min(limit - items.len())).unwrap_or(i32::MAX);
            let (page, next) = fetch(page_size, page_token).await?;
            items.extend(page.into_iter().take(limit - items.len()));
            if next.is_empty() || items.len() == limit {
                return Ok((items, next));
            }
            output.progress("listing", items.len(), self.limit.map(|_| limit));
            page_token = next;
        }
    }
}

// === impl Session ===

impl Session {
    /// Asks; changes nothing.
    pub(super) async fn ask<Q: Clone, A>(
        &self,
        request: Q,
        send: impl AsyncFn(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        self.attempts(request, send)
            .await
            .map_err(|status| Failure::Call(Box::new(status)))
    }

    /// Changes something, once. If its outcome stays unknown, the failure says how to repeat it.
    pub(super) async fn change<Q: Change, A>(
        &self,
        mut request: Q,
        send: impl AsyncFn(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        let request_id = identify(&mut request)?;
        self.attempts(request, send).await.map_err(|status| {
            let status = Box::new(status);
            if is_unsettled(&status) {
                Failure::Unsettled { status, request_id }
            } else {
                Failure::Call(status)
            }
        })
    }

    async fn attempts<Q: Clone, A>(
        &self,
        request: Q,
        send: impl AsyncFn(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let deadline = Instant::now() + self.timeout;
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let mut request = Request::new(request.clone());
            request.set_timeout(deadline.saturating_duration_since(Instant::now()));
            let status = match timeout_at(deadline, send(request)).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => status,
                Err(_) => return Err(self.too_late()),
            };
            // tonic's word for a deadline that this side has seen pass.
            if status.code() == Code::Cancelled && Instant::now() >= deadline {
                return Err(self.too_late());
            }
            let wait = named_pause(&status).unwrap_or(pause);
            if attempt == ATTEMPTS || !is_unsettled(&status) || Instant::now() + wait >= deadline {
                return Err(status);
            }
            sleep(wait).await;
            pause *= 2;
            attempt += 1;
        }
    }

    fn too_late(&self) -> Status {
        Status::deadline_exceeded(format!("no answer within {:?}", self.timeout))
    }
}

/// When the server wants to be asked again.
pub(super) fn named_pause(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

/// A random UUID: version 4 of RFC 9562.
fn random_uuid() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(std::io::Error::other)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok([
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::output::{Form, Format, Screen};
    use super::*;
    use crate::proto::v1;

    /// Pages, told of to nobody.
    async fn pages<Item>(
        limit: &Limit,
        fetch: impl AsyncFn(i32, String) -> Result<(Vec<Item>, String), Failure>,
    ) -> (Vec<Item>, String) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (form, screen) = (Form::Whole(Format::Name), Screen::of_process());
        let mut output = Output::new(form, screen, &mut stdout, &mut stderr);
        limit.pages(&mut output, fetch).await.unwrap()
    }

    #[test]
    fn a_change_without_an_id_gets_a_random_one_of_version_4() {
        let mut first = v1::RevokeTokenRequest::default();
        let id = identify(&mut first).unwrap();
        assert_eq!(first.request_id, id);
        let groups: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
        assert_ne!(
            id,
            identify(&mut v1::RevokeTokenRequest::default()).unwrap()
        );
    }

    #[test]
    fn an_id_that_was_given_is_kept() {
        let mut request = v1::RevokeTokenRequest {
            request_id: "mine".to_owned(),
            ..Default::default()
        };
        assert_eq!(identify(&mut request).unwrap(), "mine");
    }

    #[tokio::test]
    async fn a_list_follows_its_pages_to_the_end() {
        let asked = RefCell::new(Vec::new());
        let fetch = async |size: i32, token: String| {
            asked.borrow_mut().push((size, token.clone()));
            Ok(match token.as_str() {
                "" => (vec![1, 2], "two".to_owned()),
                "two" => (vec![], "three".to_owned()),
                _ => (vec![3], String::new()),
            })
        };
        let (items, rest) = pages(&Limit::default(), fetch).await;
        assert_eq!((items, rest.as_str()), (vec![1, 2, 3], ""));
        let asked = asked.into_inner();
        assert_eq!(
            asked
                .iter()
                .map(|(_, token)| token.as_str())
                .collect::<Vec<_>>(),
            ["", "two", "three"]
        );
        assert!(asked.iter().all(|(size, _)| *size == 1000));
    }

    #[tokio::test]
    async fn a_list_stops_at_its_limit_and_knows_that_there_is_more() {
        let limit = Limit {
            limit: NonZeroU32::new(3),
        };
        let sizes = RefCell::new(Vec::new());
        let fetch = async |size: i32, _| {
            sizes.borrow_mut().push(size);
            Ok((
                vec![0; 2.min(usize::try_from(size).unwrap())],
                "more".to_owned(),
            ))
        };
        let (items, rest) = pages(&limit, fetch).await;
        assert_eq!((items.len(), rest.as_str()), (3, "more"));
        assert_eq!(sizes.into_inner(), [3, 1]);
    }
}
