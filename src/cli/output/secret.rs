//! Answers with a secret in them.

use zeroize::Zeroize as _;

use super::Answer;
use crate::proto::v1;

/// An answer with a token's secret.
pub(in crate::cli) trait WithSecret: Answer {
    fn token(&self) -> Option<&v1::Token>;
    fn secret(&self) -> &str;
    /// It is elsewhere now, and is not to be shown.
    fn forget_secret(&mut self);

    fn warnings(&self) -> &[String] {
        &[]
    }

    /// How to use the token.
    fn usage(&self) -> Option<&str> {
        None
    }
}

impl WithSecret for v1::CreateTokenResponse {
    fn token(&self) -> Option<&v1::Token> {
        self.token.as_ref()
    }

    fn secret(&self) -> &str {
        &self.secret
    }

    fn forget_secret(&mut self) {
        self.secret.zeroize();
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn usage(&self) -> Option<&str> {
        Some(&self.usage)
    }
}

impl WithSecret for v1::RotateTokenResponse {
    fn token(&self) -> Option<&v1::Token> {
        self.token.as_ref()
    }

    fn secret(&self) -> &str {
        &self.secret
    }

    fn forget_secret(&mut self) {
        self.secret.zeroize();
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl WithSecret for v1::RevealTokenResponse {
    fn token(&self) -> Option<&v1::Token> {
        self.token.as_ref()
    }

    fn secret(&self) -> &str {
        &self.secret
    }

    fn forget_secret(&mut self) {
        self.secret.zeroize();
    }
}

impl WithSecret for v1::OpenSessionResponse {
    fn token(&self) -> Option<&v1::Token> {
        self.token.as_ref()
    }

    fn secret(&self) -> &str {
        &self.secret
    }

    fn forget_secret(&mut self) {
        self.secret.zeroize();
    }
}
