//! Where one process of a cluster reaches another: plain HTTP, since TLS ends in front of the cluster.

use http::Uri;

/// `http://HOST:PORT` in its one spelling, without a slash at its end.
///
/// # Errors
/// When it is something else, with the rest of the sentence "the setting …".
pub fn plain_url(text: &str) -> Result<String, String> {
    let wrong = || format!("is no URL of the form http://HOST:PORT: `{text}`");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let is_plain = uri.scheme_str() == Some("http")
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none()
        && !authority.as_str().contains('@')
        && !authority.host().is_empty()
        && authority.port_u16() != Some(0);
    is_plain
        .then(|| format!("http://{authority}"))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_address_is_taken() {
        let takes = |text| plain_url(text).ok();
        assert_eq!(
            takes("http://auth:8081/").as_deref(),
            Some("http://auth:8081")
        );
        assert_eq!(takes("http://[::1]:80").as_deref(), Some("http://[::1]:80"));
        assert_eq!(takes("http://node").as_deref(), Some("http://node"));
        for wrong in [
            "",
            "auth:8081",
            "https://auth",
            "http://",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://a:0",
            "http://a b",
            "redis://a",
        ] {
            assert_eq!(takes(wrong), None, "{wrong}");
        }
    }
}
