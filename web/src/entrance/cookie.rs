//! The cookie in which a browser keeps its session (RFC 6265).

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cookie::Cookie;
use crate::session::SessionSecret;

const SESSION: Cookie = Cookie { secure: "__Host-hive", plain: "hive-session" };

/// What a request's cookie is, if it is one. `is_secure`: the browser came over TLS.
pub(crate) fn read(headers: &HeaderMap, is_secure: bool) -> Option<SessionSecret> {
    URL_SAFE_NO_PAD.decode(SESSION.read(headers, is_secure)?).ok()?.try_into().ok()
}

/// What gives a browser the cookie of its session.
pub(crate) fn given(secret: &SessionSecret, is_secure: bool) -> HeaderValue {
    SESSION.given(&URL_SAFE_NO_PAD.encode(secret), None, is_secure)
}

/// What takes it away.
pub(crate) fn taken(is_secure: bool) -> HeaderValue {
    SESSION.taken(is_secure)
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;
    use proptest::prelude::*;

    use super::*;
    use crate::cookie::COOKIES_MAX;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|cookie| (COOKIE, HeaderValue::from_str(cookie).unwrap())).collect()
    }

    #[test]
    fn a_cookie_comes_back_as_it_was_given() {
        let secret: SessionSecret = std::array::from_fn(|at| at as u8 * 7);
        for (is_secure, name, secure) in [(true, "__Host-hive", "; Secure"), (false, "hive-session", "")] {
            let given = given(&secret, is_secure);
            let given = given.to_str().unwrap();
            assert!(
                given.starts_with(name) && given.ends_with(&format!("; Path=/; HttpOnly; SameSite=Strict{secure}"))
            );
            let (pair, _) = given.split_once(';').unwrap();
            for cookies in [&[pair][..], &["a=b; c", &format!("d=e;{pair}; f=g")], &["=;;=", pair]] {
                assert_eq!(read(&headers(cookies), is_secure), Some(secret), "{cookies:?}");
                assert_eq!(read(&headers(cookies), !is_secure), None, "another name: {cookies:?}");
            }
            assert!(taken(is_secure).to_str().unwrap().ends_with("; Max-Age=0"));
        }
    }

    proptest! {
        /// Whatever comes, nothing but what was given is a cookie of ours.
        #[test]
        fn any_header_is_read(bytes: Vec<u8>, name in "(hive-session|__Host-hive)=.{40,46}", is_secure: bool) {
            for value in [HeaderValue::from_bytes(&bytes).ok(), HeaderValue::from_str(&name).ok()].into_iter().flatten() {
                let read = read(&HeaderMap::from_iter([(COOKIE, value.clone())]), is_secure);
                let given = read.map(|secret| given(&secret, is_secure));
                let has_it = |given: HeaderValue| {
                    let pair = given.to_str().unwrap().split(';').next().unwrap().to_owned();
                    value.to_str().unwrap().contains(&pair)
                };
                prop_assert!(given.is_none_or(has_it));
            }
        }
    }

    #[test]
    fn what_is_no_cookie_of_ours_is_none() {
        let short = format!("hive-session={}", URL_SAFE_NO_PAD.encode([7; 31]));
        let twisted = format!("xhive-session={}", URL_SAFE_NO_PAD.encode([7; 32]));
        for cookie in ["", "hive-session", "hive-session=", "hive-session=ä", "hive-session=A", &short, &twisted] {
            assert_eq!(read(&headers(&[cookie]), false), None, "{cookie}");
        }
        let late = format!("{}hive-session={}", "a=b;".repeat(COOKIES_MAX), URL_SAFE_NO_PAD.encode([7; 32]));
        assert_eq!(read(&headers(&[&late]), false), None, "behind too many others");
    }
}
