//! What a library's policy hits, and the tokens that are brought within it.

use super::{page, texts, timestamp};
use crate::authority::conform::{Applied, ApplyPolicy, PolicyChange};
use crate::authority::effects::{Hits, PolicyEffects};
use crate::authority::error::Error;
use crate::authority::name::Name;
use crate::authority::secret::TokenId;
use crate::grpc::status::as_item;
use crate::proto::v1;

pub(in crate::grpc) fn apply_policy(message: v1::ApplyPolicyRequest, library: Name) -> ApplyPolicy {
    let v1::ApplyPolicyRequest {
        library: _,
        dry_run,
        page_size,
        page_token,
        request_id: _,
    } = message;
    ApplyPolicy {
        library,
        dry_run,
        page: page(page_size, page_token),
    }
}

pub(in crate::grpc) fn applied(applied: Applied) -> v1::ApplyPolicyResponse {
    let Applied {
        changes,
        next,
        left,
    } = applied;
    v1::ApplyPolicyResponse {
        changes: changes
            .into_iter()
            .map(|(id, done)| change(id, done))
            .collect(),
        next_page_token: next,
        effects: left.map(effects),
    }
}

pub(in crate::grpc) fn effects(effects: PolicyEffects) -> v1::PolicyEffects {
    fn told<T: ToString>(hits: &Hits<T>) -> (u32, Vec<String>) {
        (hits.count, texts(&hits.examples))
    }
    let PolicyEffects {
        examined,
        over_lifetime,
        outside_apis,
        outside_cidrs,
        users_over_limit,
        incomplete,
    } = effects;
    let (tokens_over_lifetime, over_lifetime_examples) = told(&over_lifetime);
    let (contact_tokens_outside_apis, outside_apis_examples) = told(&outside_apis);
    let (tokens_outside_cidrs, outside_cidrs_examples) = told(&outside_cidrs);
    let (users_over_limit, over_limit_examples) = told(&users_over_limit);
    v1::PolicyEffects {
        examined,
        tokens_over_lifetime,
        over_lifetime_examples,
        contact_tokens_outside_apis,
        outside_apis_examples,
        tokens_outside_cidrs,
        outside_cidrs_examples,
        users_over_limit,
        over_limit_examples,
        incomplete,
    }
}

fn change(id: TokenId, done: Result<PolicyChange, Error>) -> v1::PolicyChange {
    let token_id = id.to_string();
    match done {
        Ok(PolicyChange {
            user,
            fields,
            old_expire_time,
            new_expire_time,
        }) => v1::PolicyChange {
            token_id,
            user: user.to_string(),
            fields,
            old_expire_time: Some(timestamp(old_expire_time)),
            new_expire_time: Some(timestamp(new_expire_time)),
            error: None,
        },
        Err(error) => v1::PolicyChange {
            token_id,
            error: Some(as_item(error)),
            ..v1::PolicyChange::default()
        },
    }
}
