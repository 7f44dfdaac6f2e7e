//! What to do next, for each reason, in the words of the command line.

use tonic::Status;
use tonic_types::StatusExt as _;

use crate::proto::v1::ErrorReason;

/// What to do next. The API's comments on its reasons say what each means.
pub(super) fn hint(status: &Status) -> Option<&'static str> {
    let info = status.get_details_error_info()?;
    let hint = match ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason))? {
        ErrorReason::CredentialMissing => {
            "`token-authority login` keeps a credential; or give one with --credential-file or TOKEN_AUTHORITY_TOKEN"
        }
        ErrorReason::CredentialRefused
            if info
                .metadata
                .get("verdict")
                .is_some_and(|v| v == "IP_NOT_ALLOWED") =>
        {
            "call from an address that the token and its library allow; an operator can lift what a library demands: \
             `library update LIBRARY --clear allowed-cidrs`"
        }
        ErrorReason::CredentialRefused => {
            "`token-authority login` with another token; `token-authority context show` says which one was presented; the operator can \
             restart the authority to get a new operator.token when no operator's token is good any more"
        }
        ErrorReason::LoginRefused => {
            "check the user name and the password; `user set-password` sets another one"
        }
        ErrorReason::PermissionDenied => {
            "`token-authority whoami` says what your credential may do; call with one of that library that has the permission, or with \
             an operator's; a token has tokens:... and directory:... only if --permission lists them"
        }
        ErrorReason::ReservedPermission => {
            "call with a credential that itself holds what is to be conveyed; `token-authority whoami` says what yours holds"
        }
        ErrorReason::SelfServiceDenied => {
            "an administrator of the library makes and changes its tokens: `token create --user USER`"
        }
        ErrorReason::InvalidFields => {
            "correct what is named above; --help says what each option takes"
        }
        ErrorReason::NotFound => {
            "`token list`, `user list` and the like show what there is; --library names another library than your own"
        }
        ErrorReason::NameTaken => {
            "choose another name, or change the one that exists, as with `user update`"
        }
        ErrorReason::AlreadyImported => "`token get ID` shows the token that there is",
        ErrorReason::RequestIdReused => "leave --request-id away to make a call of its own",
        ErrorReason::EtagMismatch => {
            "look at what changed, as with `token get ID`, and repeat with its new --etag"
        }
        ErrorReason::Contention => "repeat the command",
        ErrorReason::TokensNotEnabled => {
            "an operator can: `library update LIBRARY --tokens-enabled true`"
        }
        ErrorReason::TokenState => {
            "`token get ID` shows the state it is in; `token resume ID` ends a suspension, `token create` makes another token"
        }
        ErrorReason::LifetimeAtMaximum => {
            "`library update --max-lifetime` moves the limit for new expiries"
        }
        ErrorReason::NotRevealable => {
            "`token rotate` makes a new secret; `library update --secret-display revealable` keeps those made from then on"
        }
        ErrorReason::InUse => "take away what still depends on it first; see the message",
        ErrorReason::OwnerDisabled => {
            "`user update USER --state active` or `library update LIBRARY --state active` switches it on again"
        }
        ErrorReason::RevisionUnknown => {
            "leave --after away to begin with what happens from now on; `audit` lists what there is"
        }
        ErrorReason::LimitExceeded => "ask for less at once, or later",
        ErrorReason::TooManyTokens => {
            "`token list --user` shows them; `library update --max-tokens-per-user` raises the limit"
        }
        ErrorReason::NotReady | ErrorReason::StoreUnavailable | ErrorReason::DeadlineExceeded => {
            "repeat the command in a while; --timeout lets it wait longer"
        }
        ErrorReason::RecordDamaged | ErrorReason::Internal => "the log of the authority says more",
        ErrorReason::MalformedRequest | ErrorReason::UnknownMethod => {
            "use a client of the server's own version; see --version"
        }
        ErrorReason::Unspecified => return None,
    };
    Some(hint)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::cli::Cli;

    fn hints() -> Vec<(&'static str, &'static str)> {
        let reasons = (1..1000).filter_map(|number| ErrorReason::try_from(number).ok());
        let names = reasons.map(|r| r.as_str_name().trim_start_matches("ERROR_REASON_"));
        names
            .map(|name| (name, hint(&status(name, [])).unwrap_or_default()))
            .collect()
    }

    fn status<const N: usize>(reason: &str, metadata: [(String, String); N]) -> Status {
        let details = ErrorDetails::with_error_info(reason, "tokenauthority.v1", metadata);
        Status::with_error_details(Code::Internal, "it went wrong", details)
    }

    /// Why a command that a hint names can't be typed.
    fn fault(named: &str) -> Option<String> {
        let mut command = Cli::command();
        command.build();
        for word in named.split(' ').filter(|word| *word != "token-authority") {
            if let Some(option) = word.strip_prefix("--") {
                let known = command
                    .get_arguments()
                    .any(|a| a.get_long() == Some(option));
                if !known {
                    return Some(format!("{} has no --{option}", command.get_name()));
                }
            } else if let Some(verb) = command.find_subcommand(word) {
                command = verb.clone();
            } else if command.has_subcommands() {
                return Some(format!("{} has no {word}", command.get_name()));
            }
        }
        None
    }

    #[test]
    fn every_reason_has_a_hint() {
        let hints = hints();
        assert!(hints.len() > 25, "{}", hints.len());
        for (name, hint) in hints {
            assert!(!hint.is_empty(), "{name}");
        }
        assert_eq!(hint(&status("OF_A_NEWER_SERVER", [])), None);
    }

    #[test]
    fn every_command_that_a_hint_names_can_be_typed() {
        let from_elsewhere = ("verdict".to_owned(), "IP_NOT_ALLOWED".to_owned());
        let from_elsewhere = hint(&status("CREDENTIAL_REFUSED", [from_elsewhere]));
        let mut hints = hints();
        hints.push(("IP_NOT_ALLOWED", from_elsewhere.unwrap_or_default()));
        let mut tried = 0;
        for (name, hint) in hints {
            for named in hint.split('`').skip(1).step_by(2) {
                assert_eq!(fault(named), None, "{name}: {named}");
                tried += 1;
            }
        }
        assert!(tried > 20, "{tried}");
        assert!(fault("token revive ID").is_some() && fault("token get --nonsense").is_some());
    }
}
