//! What a node says of a request that it passes on, so that the owner of the session can believe it: whose request it
//! is, when it was passed on, and a signature that only nodes with the cluster's key can make.

use std::net::IpAddr;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use service::secret::Secret;

/// How far the clocks of two nodes may differ, and how long a request that somebody saw could be shown again.
const SECONDS_MAX: u64 = 30;
/// What the key is made for, so that no other use of the cluster's key can be played against this one.
const PURPOSE: &[u8] = b"chatify: requests that one node passes on to another, 1";

/// Makes and reads vouchers.
#[derive(Clone)]
pub(super) struct Voucher(hmac::Key);

impl Voucher {
    /// With a key of its own, made from the cluster's.
    pub(super) fn new(cluster_key: &Secret) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, cluster_key.expose().as_bytes());
        let own = hmac::sign(&root, PURPOSE);
        Self(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }

    /// For one request (method, path and query) of this client, at this time in seconds since 1970:
    /// `ADDRESS SECONDS SIGNATURE`.
    pub(super) fn write(&self, request: (&Method, &str), client: IpAddr, now: u64) -> String {
        let words = format!("{client} {now}");
        let signature = hmac::sign(&self.0, &signed(request, &words));
        format!("{words} {}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Whose request it is, if one of our nodes has written this for it, lately.
    pub(super) fn read(&self, request: (&Method, &str), text: &str, now: u64) -> Option<IpAddr> {
        let (words, signature) = text.rsplit_once(' ')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, &signed(request, words), &signature).ok()?;
        let (client, at) = words.split_once(' ')?;
        let at: u64 = at.parse().ok()?;
        (at.abs_diff(now) <= SECONDS_MAX).then_some(())?;
        client.parse().ok()
    }

    /// What a node answers to a request for this target with which it was asked whether it is there.
    pub(super) fn answer(&self, target: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &answered(target)))
    }

    /// Whether one of our nodes has written this answer.
    pub(super) fn is_answer(&self, target: &str, text: &[u8]) -> bool {
        let signature = URL_SAFE_NO_PAD.decode(text);
        signature
            .is_ok_and(|signature| hmac::verify(&self.0, &answered(target), &signature).is_ok())
    }
}

/// No request has such a method, so no voucher is an answer.
fn answered(target: &str) -> Vec<u8> {
    format!("is here\n{target}").into_bytes()
}

/// No method, target or word holds a line end, so no two requests are the same text.
fn signed((method, target): (&Method, &str), words: &str) -> Vec<u8> {
    format!("{method}\n{target}\n{words}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const TARGET: &str = "/socket.io/?EIO=4&transport=polling&sid=abc";

    fn voucher(key: &str) -> Voucher {
        Voucher::new(&Secret::new(key.to_owned()))
    }

    fn client() -> IpAddr {
        "2001:db8::7".parse().unwrap()
    }

    #[test]
    fn the_owner_learns_whose_request_it_is() {
        let text = voucher("k").write((&Method::GET, TARGET), client(), NOW);
        for now in [NOW - SECONDS_MAX, NOW, NOW + SECONDS_MAX] {
            let read = voucher("k").read((&Method::GET, TARGET), &text, now);
            assert_eq!(read, Some(client()));
        }
    }

    #[test]
    fn an_answer_is_believed_for_what_was_asked_alone() {
        let answer = voucher("k").answer("/x/1");
        assert!(voucher("k").is_answer("/x/1", answer.as_bytes()));
        assert!(!voucher("k").is_answer("/x/2", answer.as_bytes()));
        assert!(!voucher("other").is_answer("/x/1", answer.as_bytes()));
        let written = voucher("k").write((&Method::GET, "/x/1"), client(), NOW);
        let signature = written.rsplit_once(' ').unwrap().1;
        assert!(!voucher("k").is_answer("/x/1", signature.as_bytes()));
        assert!(!voucher("k").is_answer("/x/1", b"?"));
    }

    #[test]
    fn what_was_not_written_for_this_request_lately_with_this_key_is_not_believed() {
        let good = voucher("k").write((&Method::GET, TARGET), client(), NOW);
        let get = (&Method::GET, TARGET);
        let late = NOW + SECONDS_MAX + 1;
        assert_eq!(voucher("k").read(get, &good, late), None);
        assert_eq!(voucher("k").read(get, &good, NOW - SECONDS_MAX - 1), None);
        assert_eq!(voucher("other").read(get, &good, NOW), None);
        assert_eq!(voucher("k").read((&Method::POST, TARGET), &good, NOW), None);
        assert_eq!(voucher("k").read((&Method::GET, "/"), &good, NOW), None);
        let other = good.replace("2001:db8::7", "2001:db8::8");
        for text in [
            &other,
            "",
            " ",
            "a b",
            "10.0.0.1 1800000000 ",
            "\u{e9} 1 AA",
        ] {
            assert_eq!(voucher("k").read(get, text, NOW), None, "{text}");
        }
    }
}
