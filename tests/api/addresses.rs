//! Where a token may be used from: rules, addresses in every spelling, and what is claimed but not known.

use prost::Message as _;
use token_authority::proto::v1::{
    CreateTokenRequest, ErrorReason, UpdateLibraryRequest, UpdateTokenRequest, Verdict,
    VerifyRequest,
};

use crate::refusal::{assert_refused, fields_of, reason_of, told};
use crate::wire::Wire;
use crate::world::{ACME, ADMIN, World, asking, presenting, texts};

const PATH: &str = "/tokenauthority.v1.TokenVerify/Verify";

#[tokio::test]
async fn an_address_is_judged_the_same_in_every_spelling() {
    let world = ann().await;
    for (rule, inside, outside) in [
        (
            "10.0.0.0/8",
            &[
                "10.0.0.5",
                "::ffff:10.0.0.5",
                "::ffff:a00:5",
                "10.255.255.255",
            ][..],
            &[
                "11.0.0.5",
                "::ffff:11.0.0.5",
                "::10.0.0.5",
                "64:ff9b::a00:5",
            ][..],
        ),
        (
            "::ffff:10.0.0.0/104",
            &["10.0.0.5", "::ffff:10.0.0.5"],
            &["11.0.0.5", "::ffff:11.0.0.5"],
        ),
        ("192.0.2.7", &["192.0.2.7"], &["192.0.2.8", "192.0.2.6"]),
        (
            "2001:db8::/32",
            &["2001:db8::7", "2001:0DB8:0:0::7"],
            &["2001:db9::7", "192.0.2.7"],
        ),
        (
            "0.0.0.0/0",
            &["192.0.2.7", "::ffff:192.0.2.7"],
            &["2001:db8::7"],
        ),
    ] {
        let secret = restricted(&world, &[rule]).await;
        for address in inside {
            assert_eq!(
                from(&world, &secret, address).await,
                Verdict::Valid,
                "{rule} {address}"
            );
        }
        for address in outside {
            let verdict = from(&world, &secret, address).await;
            assert_eq!(verdict, Verdict::IpNotAllowed, "{rule} {address}");
        }
    }
}

#[tokio::test]
async fn a_restricted_token_is_refused_where_no_address_is_given() {
    let world = ann().await;
    let secret = restricted(&world, &["0.0.0.0/0", "::/0"]).await;
    assert_eq!(from(&world, &secret, "192.0.2.7").await, Verdict::Valid);
    assert_eq!(world.verdict(&secret).await, Verdict::IpNotAllowed);
}

#[tokio::test]
async fn the_librarys_rule_and_the_tokens_must_both_match() {
    let world = ann().await;
    let secret = restricted(&world, &["10.0.0.0/8"]).await;
    let free = world.token(asking(ACME, "ann")).await.1;
    let request = UpdateLibraryRequest {
        library: ACME.into(),
        allowed_cidrs: texts(&["10.1.0.0/16", "192.0.2.0/24"]),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.update_library(request).await.unwrap();
    for (address, restricted, unrestricted) in [
        ("10.1.0.5", Verdict::Valid, Verdict::Valid),
        ("10.2.0.5", Verdict::IpNotAllowed, Verdict::IpNotAllowed),
        ("192.0.2.7", Verdict::IpNotAllowed, Verdict::Valid),
    ] {
        assert_eq!(
            from(&world, &secret, address).await,
            restricted,
            "{address}"
        );
        assert_eq!(
            from(&world, &free, address).await,
            unrestricted,
            "{address}"
        );
    }
    assert_eq!(world.verdict(&free).await, Verdict::IpNotAllowed);
}

#[tokio::test]
async fn what_is_no_network_is_refused_and_the_item_is_named() {
    let world = ann().await;
    for bad in [
        "",
        " ",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.0/8/8",
        "10.0.0.0/08",
        "10.0.0.0/255.0.0.0",
        "10.0.0.1/8",
        "010.0.0.0/8",
        "10.0.0/8",
        "10.0.0.0 /8",
        "2001:db8::1/32",
        "::/129",
        "fe80::1%eth0",
        "example.com",
        "*",
        "any",
        "10.0.0.0/8,192.0.2.0/24",
    ] {
        let request = CreateTokenRequest {
            allowed_cidrs: texts(&["192.0.2.0/24", bad]),
            ..asking(ACME, "ann")
        };
        let answer = world.operator.admin.clone().create_token(request).await;
        let refused = assert_refused(answer, ErrorReason::InvalidFields);
        assert_eq!(fields_of(&refused), ["allowed_cidrs[1]"], "{bad:?}");
    }
}

#[tokio::test]
async fn what_is_not_one_address_is_an_invalid_request_and_not_a_verdict() {
    let world = ann().await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    for bad in [
        "10.0.0.5:443",
        "[2001:db8::7]:443",
        "[2001:db8::7]",
        "10.0.0.5, 192.0.2.7",
        "10.0.0.5/32",
        " 10.0.0.5",
        "10.0.0.5\n",
        "010.0.0.5",
        "10.0.5",
        "167772165",
        "0x0a000005",
        "fe80::1%eth0",
        "localhost",
        "unknown",
    ] {
        let request = VerifyRequest {
            client_ip: bad.into(),
            ..presenting(&secret)
        };
        let answer = world.operator.verify.clone().verify(request).await;
        let refused = assert_refused(answer, ErrorReason::InvalidFields);
        assert_eq!(fields_of(&refused), ["client_ip"], "{bad:?}");
    }
}

#[tokio::test]
async fn an_empty_list_changes_no_restriction_and_only_clear_lifts_it() {
    let world = ann().await;
    let secret = restricted(&world, &["10.0.0.0/8", "10.0.0.0/8", "::ffff:10.0.0.0/104"]).await;
    let token_id = secret[4..26].to_owned();
    let mut admin = world.operator.admin.clone();
    let update = UpdateTokenRequest {
        token_id,
        display_name: Some("changed".into()),
        ..Default::default()
    };
    let kept = admin
        .update_token(update.clone())
        .await
        .unwrap()
        .into_inner()
        .token
        .unwrap();
    assert_eq!(kept.allowed_cidrs, ["10.0.0.0/8"], "kept, each once");
    assert_eq!(
        from(&world, &secret, "192.0.2.7").await,
        Verdict::IpNotAllowed
    );
    let both = UpdateTokenRequest {
        allowed_cidrs: texts(&["192.0.2.0/24"]),
        clear: texts(&["allowed_cidrs"]),
        ..update.clone()
    };
    assert_refused(admin.update_token(both).await, ErrorReason::InvalidFields);
    let lifted = UpdateTokenRequest {
        clear: texts(&["allowed_cidrs"]),
        ..update
    };
    admin.update_token(lifted).await.unwrap();
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn a_restriction_holds_64_networks_and_not_one_more() {
    let world = ann().await;
    let network = |i: usize| format!("10.{}.{}.0/24", i / 256, i % 256);
    let request = |count| CreateTokenRequest {
        allowed_cidrs: (0..count).map(network).collect(),
        ..asking(ACME, "ann")
    };
    let (token, _) = world.token(request(64)).await;
    assert_eq!(token.allowed_cidrs.len(), 64);
    for count in [65, 10_000] {
        let answer = world
            .operator
            .admin
            .clone()
            .create_token(request(count))
            .await;
        let refused = assert_refused(answer, ErrorReason::InvalidFields);
        assert_eq!(fields_of(&refused), ["allowed_cidrs"]);
    }
}

#[tokio::test]
async fn a_credentials_restriction_is_held_against_the_connections_address_and_no_claimed_one() {
    let world = World::new().await;
    let secret = restricted_caller(&world).await;
    for (header, value) in [
        ("x-unrelated", "192.0.2.7"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-real-ip", "192.0.2.7"),
        ("forwarded", "for=192.0.2.7"),
        ("true-client-ip", "192.0.2.7"),
        ("cf-connecting-ip", "192.0.2.7"),
        ("x-client-ip", "192.0.2.7"),
    ] {
        let wire = Wire::new(world.server.channel())
            .bearer(&secret)
            .header(header, value);
        let status = wire
            .call(PATH, presenting("x").encode_to_vec())
            .await
            .unwrap_err();
        assert_eq!(
            reason_of(&status),
            ErrorReason::CredentialRefused,
            "{header}"
        );
        assert_eq!(told(&status, "verdict").as_deref(), Some("IP_NOT_ALLOWED"));
    }
}

#[tokio::test]
async fn a_forwarded_address_is_believed_from_a_trusted_proxy_as_far_as_it_vouches() {
    let world = World::with(&["--trusted-proxies", "127.0.0.1,10.0.0.0/8"]).await;
    let secret = restricted_caller(&world).await;
    for (forwarded, believed) in [
        ("192.0.2.7", true),
        ("::ffff:192.0.2.7", true),
        ("198.51.100.1, 192.0.2.7", true),
        ("192.0.2.7, 10.0.0.1", true),
        ("192.0.2.7, 198.51.100.1", false),
        ("192.0.2.7, unknown", false),
        ("192.0.2.7:443", false),
        ("", false),
    ] {
        let wire = Wire::new(world.server.channel()).bearer(&secret);
        let wire = wire.header("x-forwarded-for", forwarded);
        let answer = wire.call(PATH, presenting("x").encode_to_vec()).await;
        assert_eq!(answer.is_ok(), believed, "{forwarded}");
    }
}

async fn ann() -> World {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    world
}

/// The secret of a token that is good from these networks alone.
async fn restricted(world: &World, rules: &[&str]) -> String {
    let request = CreateTokenRequest {
        allowed_cidrs: texts(rules),
        ..asking(ACME, "ann")
    };
    world.token(request).await.1
}

/// The secret of a caller who may call from 192.0.2.0/24 alone.
async fn restricted_caller(world: &World) -> String {
    world.person(ACME, "alice", &[ADMIN]).await;
    let request = CreateTokenRequest {
        permissions: texts(&[ADMIN]),
        allowed_cidrs: texts(&["192.0.2.0/24"]),
        ..asking(ACME, "alice")
    };
    world.token(request).await.1
}

/// The verdict for a client at this address.
async fn from(world: &World, secret: &str, address: &str) -> Verdict {
    let request = VerifyRequest {
        client_ip: address.into(),
        ..presenting(secret)
    };
    world.verify(request).await.verdict()
}
