//! The tokens of one user among many.

use super::{library_uid, page};
use crate::authority::directory::User;
use crate::authority::keyspace::{self, Stored};
use crate::authority::list::{TokenFilter, Window};
use crate::authority::moment::Moment;
use crate::authority::tests::samples::{name, named, token};
use crate::authority::tests::stage::Stage;

#[tokio::test]
async fn the_few_tokens_of_a_user_are_found_at_once_among_any_number() {
    let stage = Stage::new().await;
    let library = library_uid(&stage).await;
    let of = async |user: &str| {
        let stored = stage.stored::<User>(keyspace::user(library, &name(user)));
        stored.await.unwrap().uid
    };
    let (jane, adam) = (of("jane").await, of("adam").await);
    let mut first = Vec::new();
    for number in 0..10_500_u16 {
        let mut token = token(0, 0, 0, 0);
        let [high, low] = number.to_be_bytes();
        (token.id.0[0], token.id.0[15], token.id.0[7]) = (low, high, 1);
        (token.library_uid, token.user_uid) = (library, jane);
        if number > 10_400 && number % 10 == 0 {
            (token.user, token.user_uid) = (name("adam"), adam);
            first.push(token.id);
        }
        token.create_time = Moment(stage.time().0 - i64::from(number) - 1);
        token.expire_time = Moment(stage.time().0 + 1000);
        stage
            .overwrite(token.key(), &keyspace::encode(&token))
            .await;
    }
    let filter = TokenFilter {
        user: Some(name("adam")),
        created: Window {
            from: None,
            to: Some(stage.time()),
        },
        ..TokenFilter::of(named("acme"))
    };
    let found = page(&stage, &filter, 4, "").await;
    assert_eq!(found.items, first[..4]);
    let rest = page(&stage, &filter, 50, &found.next).await;
    assert_eq!(
        (rest.items.as_slice(), rest.next.as_str()),
        (&first[4..], "")
    );
}
