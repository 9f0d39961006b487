//! Which pages may connect. The same rule for long-polling, the upgrade and CORS: an exact list, the server's own
//! origin, and, by an explicit option, clients that are no browsers and send none.

use http::{HeaderMap, HeaderValue, header};

/// Who may connect from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// Any page at all, answered with `*` and never with credentials. For public test servers.
    pub any: bool,
    /// Exact origins, as browsers write them: `https://chat.example`.
    pub allowed: Vec<String>,
    /// Whether the allowed origins may send cookies along.
    pub credentials: bool,
    /// Whether requests without an Origin are taken: programs and apps send none.
    pub without_origin: bool,
}

impl Default for Origins {
    fn default() -> Origins {
        Origins {
            any: false,
            allowed: Vec::new(),
            credentials: false,
            without_origin: true,
        }
    }
}

/// What the request's origin may do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not from a page of another origin: no CORS headers needed.
    Same,
    /// A page of another origin that may read the answer.
    Cross(HeaderValue),
    Refused,
}

impl Origins {
    /// `scheme` is what a trusted proxy says the client used; without one both web schemes may be the server's own.
    pub(crate) fn judge(&self, headers: &HeaderMap, scheme: Option<&str>) -> Verdict {
        let mut given = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = given.next() else {
            return if self.without_origin || self.any {
                Verdict::Same
            } else {
                Verdict::Refused
            };
        };
        if given.next().is_some() {
            return Verdict::Refused;
        }
        if self.any {
            return Verdict::Cross(HeaderValue::from_static("*"));
        }
        let Ok(text) = origin.to_str() else {
            return Verdict::Refused;
        };
        if self.allowed.iter().any(|allowed| allowed == text) {
            return Verdict::Cross(origin.clone());
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        match (text.split_once("://"), host, hosts.next()) {
            (Some((of, authority)), Some(host), None)
                if authority == host
                    && scheme.map_or(of == "http" || of == "https", |s| s == of) =>
            {
                Verdict::Same
            }
            _ => Verdict::Refused,
        }
    }

    /// Puts what the browser needs to know onto an answer.
    pub(crate) fn decorate(&self, verdict: &Verdict, headers: &mut HeaderMap) {
        if !self.any {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Verdict::Cross(origin) = verdict else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials && !self.any {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }

    /// The answer to a preflight: what a page of an allowed origin may send.
    pub(crate) fn decorate_preflight(headers: &mut HeaderMap) {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Content-Type"),
        );
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("600"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(origins: &Origins, origin: Option<&str>, scheme: Option<&str>) -> Verdict {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("chat.example:8080"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        origins.judge(&headers, scheme)
    }

    #[test]
    fn only_exact_origins_pass() {
        let origins = Origins {
            allowed: vec!["https://app.example".into()],
            ..Origins::default()
        };
        assert!(matches!(
            judge(&origins, Some("https://app.example"), None),
            Verdict::Cross(_)
        ));
        for trick in [
            "null",
            "http://app.example",
            "https://app.example:443",
            "https://app.example:8443",
            "https://app.example.evil.com",
            "https://evil-app.example",
            "https://sub.app.example",
            "https://app.exampl",
            "HTTPS://app.example",
            "https://App.Example",
            "https://app.example/",
            "https://app.example@evil.com",
            "file://",
            "",
        ] {
            assert_eq!(
                judge(&origins, Some(trick), None),
                Verdict::Refused,
                "{trick}"
            );
        }
    }

    #[test]
    fn the_own_origin_passes_and_its_look_alikes_do_not() {
        let origins = Origins::default();
        assert_eq!(
            judge(&origins, Some("http://chat.example:8080"), None),
            Verdict::Same
        );
        assert_eq!(
            judge(&origins, Some("https://chat.example:8080"), None),
            Verdict::Same
        );
        assert_eq!(
            judge(&origins, Some("http://chat.example:8080"), Some("https")),
            Verdict::Refused
        );
        for trick in [
            "http://chat.example",
            "http://chat.example:80801",
            "ftp://chat.example:8080",
            "http://x.chat.example:8080",
            "null",
        ] {
            assert_eq!(
                judge(&origins, Some(trick), None),
                Verdict::Refused,
                "{trick}"
            );
        }
    }

    #[test]
    fn clients_without_an_origin_are_an_explicit_option() {
        assert_eq!(judge(&Origins::default(), None, None), Verdict::Same);
        let strict = Origins {
            without_origin: false,
            ..Origins::default()
        };
        assert_eq!(judge(&strict, None, None), Verdict::Refused);
    }

    #[test]
    fn any_never_goes_with_credentials() {
        let origins = Origins {
            any: true,
            credentials: true,
            ..Origins::default()
        };
        let verdict = judge(&origins, Some("https://evil.example"), None);
        let mut headers = HeaderMap::new();
        origins.decorate(&verdict, &mut headers);
        assert_eq!(
            headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(),
            "*"
        );
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
