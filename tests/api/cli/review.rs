//! The commands that `token review` proposes, run as they stand.

use token_authority::proto::v1::ListTokensRequest;

use super::Terminal;
use crate::harness::Clients;
use crate::world::{ACME, ADMIN, asking};

impl Terminal {
    /// What a review tells of a token for this reason: the reason and all behind it.
    fn told(&self, token_id: &str, reason: &str) -> Option<String> {
        let told = self.done("token review --library acme").stdout;
        let mut lines = told.lines().filter(|line| line.starts_with(token_id));
        let line = lines.find(|line| line.contains(reason))?;
        Some(line[line.find(reason)?..].to_owned())
    }

    /// Does what is proposed there.
    fn mend(&self, told: &str) {
        let (_, command) = told.split_once("token-authority ").expect("a command");
        // As a shell does.
        self.done(&command.replace('\'', ""));
    }
}

async fn tokens_of_till(clients: &Clients) -> usize {
    let request = ListTokensRequest {
        user: "till".into(),
        ..Default::default()
    };
    let listed = clients.admin.clone().list_tokens(request).await;
    listed.expect("a list").into_inner().tokens.len()
}

#[tokio::test]
async fn an_administrator_whose_unused_rights_are_taken_away_administers_as_before() {
    const WHY: &str = "more rights than used";
    let terminal = Terminal::new().await;
    let world = &terminal.world;
    world.person(ACME, "till", &["orders:read"]).await;
    world.token(asking(ACME, "till")).await;
    let rights = [ADMIN, "orders:*", "stock:*"];
    let tom = world.member(ACME, "tom", &rights).await;
    assert_eq!(tokens_of_till(&tom.clients).await, 1);
    let told = terminal.told(&tom.token_id, WHY).expect("a finding");
    assert!(told.contains("used: orders:*, stock:* "), "{told}");
    terminal.mend(&told);
    let shown = terminal.json(&format!("token get {}", tom.token_id));
    assert_eq!(
        shown["token"]["permissions"],
        serde_json::json!(["tokens:admin"])
    );
    assert_eq!(tokens_of_till(&tom.clients).await, 1);
    assert_eq!(terminal.told(&tom.token_id, WHY), None);
}

#[tokio::test]
async fn a_token_that_lasts_longer_than_policy_is_mended_to_what_policy_would_hold_it_back_to() {
    const WHY: &str = "longer than policy";
    let terminal = Terminal::new().await;
    terminal.world.person(ACME, "till", &["orders:read"]).await;
    let (token, _) = terminal.world.token(asking(ACME, "till")).await;
    assert_eq!(terminal.told(&token.token_id, WHY), None);
    terminal.done(
        "library update acme --default-lifetime 30d --suggested-lifetime 30d --max-lifetime 90d",
    );
    let told = terminal.told(&token.token_id, WHY).expect("a finding");
    terminal.mend(&told);
    assert_eq!(terminal.told(&token.token_id, WHY), None);
    let left = terminal.json("token list --library acme --longer-than-policy");
    assert_eq!(left["tokens"].as_array().map_or(0, Vec::len), 0);
    let applied = terminal.done("library apply-policy acme --dry-run");
    let said = applied.stdout + &applied.stderr;
    assert!(said.contains("nothing to change"), "{said}");
}
