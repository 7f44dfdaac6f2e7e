//! Where a secret goes, and what scripts pick out of an answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

const SECRET: &str = "tka_0123456789abcdefABCDEF_secret";

fn created(id: &str) -> v1::CreateTokenResponse {
    v1::CreateTokenResponse {
        token: Some(token(id)),
        secret: SECRET.to_owned(),
        warnings: vec!["it lasts long".to_owned()],
        usage: "Send it.".to_owned(),
    }
}

fn token(id: &str) -> v1::Token {
    v1::Token {
        token_id: id.to_owned(),
        user: "till".to_owned(),
        description: "the nightly export of all the orders there are".to_owned(),
        ..Default::default()
    }
}

const CREATE: &str = "token create --user till --display-name n";

async fn run(shell: &Shell, line: &str) -> Ended {
    shell.run(&line.split(' ').collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_secret_goes_into_a_file_of_its_own_and_a_script_gets_the_id() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.token");
    fs::write(&path, "an older one").unwrap();
    let authority = Authority::default()
        .then(created("first"))
        .then(created("second"));
    let shell = Shell::new(authority.serve().await);
    let line = format!("{CREATE} --out {}", path.display());
    let refused = run(&shell, &line).await;
    assert_eq!(refused.exit, Exit::Usage);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "an older one");
    let line = format!("{line} --force");
    let ended = run(&shell, &format!("{line} -o name")).await;
    assert_eq!(
        (ended.exit, ended.stdout.as_str()),
        (Exit::Success, "first\n")
    );
    assert_eq!(ended.stderr, "warning: it lasts long\nusage: Send it.\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{SECRET}\n"));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let ended = run(&shell, &format!("{line} -o json")).await;
    let answer: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answer["token"]["tokenId"], "second");
    assert_eq!(answer["secret"], "");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[tokio::test]
async fn a_secret_that_could_not_be_kept_is_not_made() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::default();
    let shell = Shell::new(authority.serve().await);
    let nowhere = folder.path().join("none").join("shop.token");
    for options in [
        format!("--out {}", nowhere.display()),
        format!("--out {}", folder.path().display()),
        "-o name".to_owned(),
        "--field token-id".to_owned(),
    ] {
        let ended = run(&shell, &format!("{CREATE} {options}")).await;
        assert_eq!(
            (ended.exit, ended.stdout.as_str()),
            (Exit::Usage, ""),
            "{options}"
        );
        assert!(ended.stderr.contains("hint: name "), "{}", ended.stderr);
    }
    assert!(authority.asked::<v1::CreateTokenRequest>().is_empty());
}

#[tokio::test]
async fn a_call_that_failed_leaves_the_file_as_it_was() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.token");
    fs::write(&path, "an older one").unwrap();
    let authority = Authority::default().then_fail(Status::permission_denied("no"));
    let shell = Shell::new(authority.serve().await);
    let line = format!("{CREATE} --force --out {}", path.display());
    let ended = run(&shell, &line).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert_eq!(fs::read_to_string(&path).unwrap(), "an older one");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[tokio::test]
async fn scripts_pick_names_or_one_field_a_line_for_each_thing() {
    let page = || v1::ListTokensResponse {
        tokens: vec![token("a"), token("b")],
        next_page_token: String::new(),
    };
    let authority = Authority::default()
        .then(page())
        .then(page())
        .then(page())
        .then(page());
    let shell = Shell::new(authority.serve().await);
    let told = async |line| run(&shell, line).await;
    assert_eq!(told("token list -o name").await.stdout, "a\nb\n");
    assert_eq!(told("token list --field user").await.stdout, "till\ntill\n");
    // As it stands in the list.
    let name = "the nightly export of all the …\n";
    assert_eq!(
        told("-o json token list --field name").await.stdout,
        name.repeat(2)
    );
    let ended = told("token list --field colour").await;
    assert_eq!((ended.exit, ended.stdout.as_str()), (Exit::Failed, ""));
    let why =
        "error: the call succeeded, but its answer has no field colour; it has token-id, kind";
    assert!(ended.stderr.starts_with(why), "{}", ended.stderr);
}

#[tokio::test]
async fn nothing_is_no_name() {
    let authority = Authority::default();
    let shell = Shell::new(authority.serve().await);
    assert_eq!(run(&shell, "token list -o name").await.stdout, "");
    let ended = run(&shell, "user delete ann -o name").await;
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("", "user ann is deleted\n")
    );
}
