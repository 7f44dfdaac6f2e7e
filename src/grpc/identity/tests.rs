use http::HeaderValue;

use super::*;

fn credential(values: &[&str]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::AUTHORIZATION, value.parse().unwrap());
    }
    bearer(&headers).map(str::to_owned)
}

#[test]
fn the_user_acted_for_is_one_name_or_none() {
    let acting = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACTING_USER, HeaderValue::from_static(value));
        }
        acting_user(&headers).map(|name| name.map(|name| name.to_string()))
    };
    assert_eq!(acting(&[]), Ok(None));
    assert_eq!(acting(&["jane"]), Ok(Some("jane".to_owned())));
    for bad in [&[""][..], &["Jane"], &["jane "], &["jane", "jane"]] {
        assert_eq!(acting(bad).unwrap_err().reason, Reason::MalformedRequest);
    }
}

#[test]
fn a_credential_has_one_form() {
    assert_eq!(credential(&["Bearer tka_x"]).as_deref(), Some("tka_x"));
    assert_eq!(credential(&["bearer tka_x"]).as_deref(), Some("tka_x"));
    for bad in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  tka_x",
        "Bearer tka_x ",
        "Basic tka_x",
        "tka_x",
        "Bearer\ttka_x",
        "Token tka_x",
    ] {
        assert_eq!(credential(&[bad]), None, "{bad:?}");
    }
    assert_eq!(credential(&["Bearer tka_x", "Bearer tka_y"]), None);
    assert_eq!(credential(&[]), None);
}
