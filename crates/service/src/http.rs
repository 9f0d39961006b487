//! What the public HTTP surfaces share and their libraries do not give: headers that protect browsers, and the address
//! of the client behind trusted proxies. An address that an untrusted peer claims is never believed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use crate::config::Value;

/// For answers that are no page: nothing may be loaded or framed.
const POLICY_OF_DATA: &str = "default-src 'none'; frame-ancestors 'none'";
/// For the web client: all of it from here, no inline script, sockets to here alone.
const POLICY_OF_PAGES: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                               form-action 'self'; frame-ancestors 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// JSON and the like.
    Data,
    /// HTML and its assets.
    Page,
}

/// Puts the protective headers on an answer; a policy that is there already stays. `https`: whether clients reach us by
/// TLS (which ends at the ingress), since HSTS over plain HTTP would lock a laptop's `localhost`.
pub fn protect(headers: &mut HeaderMap, content: Content, https: bool) {
    let policy = match content {
        Content::Data => POLICY_OF_DATA,
        Content::Page => POLICY_OF_PAGES,
    };
    let fixed = [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ];
    let hsts = https.then_some((
        STRICT_TRANSPORT_SECURITY,
        "max-age=31536000; includeSubDomains",
    ));
    for (name, value) in fixed.into_iter().chain(hsts) {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// Whom a request comes from, as [`client_address`] found it. The listener puts it into each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// A range of addresses, written `10.0.0.0/8`, `fd00::/8` or as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address lies in it. IPv4 written as IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.address.is_ipv4() == address.is_ipv4()
            && masked(address, self.prefix) == masked(self.address, self.prefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Value for Network {
    const KIND: &'static str = "network";
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "not a network, such as `10.0.0.0/8` or `fd00::/8`".to_owned();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        if prefix > bits {
            return Err(wrong());
        }
        Ok(Self {
            address: address.to_canonical(),
            prefix,
        })
    }
}

/// Whom a request comes from. `X-Forwarded-For` counts only as far as each hop, from the last to the first, was written
/// by a trusted proxy; an entry that is no address ends the walk, and the hop before it is the client.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    // Several headers of this name are one list, in their order.
    let claimed: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .collect();
    for hop in claimed.into_iter().rev() {
        if !is_trusted(client) {
            break;
        }
        let Ok(address) = hop.parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

/// Whom a limit by address holds against: one IPv4 address, or the /64 that one IPv6 customer has at least.
pub fn limited_address(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        address @ IpAddr::V6(_) => masked(address, 64),
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(
                "x-forwarded-for",
                HeaderValue::from_str(value).expect("a header"),
            );
        }
        let trusted: Vec<Network> = trusted
            .iter()
            .map(|text| Network::parse(text).expect("a network"))
            .collect();
        client_address(ip(peer), &headers, &trusted)
    }

    #[test]
    fn a_stranger_cannot_claim_another_address() {
        assert_eq!(
            client("198.51.100.7", &["1.1.1.1"], &["10.0.0.0/8"]),
            ip("198.51.100.7")
        );
        assert_eq!(
            client("198.51.100.7", &["1.1.1.1"], &[]),
            ip("198.51.100.7")
        );
    }

    #[test]
    fn the_client_is_the_last_hop_that_no_trusted_proxy_is() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        let cases = [
            ("10.0.0.1", &["203.0.113.5"][..], "203.0.113.5"),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.5"], "203.0.113.5"),
            ("10.0.0.1", &["203.0.113.5, 10.2.3.4"], "203.0.113.5"),
            (
                "10.0.0.1",
                &["6.6.6.6", "203.0.113.5", "10.2.3.4"],
                "203.0.113.5",
            ),
            ("::ffff:10.0.0.1", &["203.0.113.5"], "203.0.113.5"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, nonsense, 10.2.3.4"], "10.2.3.4"),
        ];
        for (peer, forwarded, expected) in cases {
            assert_eq!(
                client(peer, forwarded, &trusted),
                ip(expected),
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn networks_hold_what_their_prefix_says() {
        let holds = |network: &str, address: &str| {
            Network::parse(network)
                .expect("a network")
                .contains(ip(address))
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "203.0.113.5") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1") && holds("192.0.2.1", "192.0.2.1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "x/8", "10.0.0.0/x", "::/129"] {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_customer_of_ipv6_is_one_address_to_the_limits() {
        assert_eq!(
            limited_address(ip("2001:db8:1:2:3::4")),
            ip("2001:db8:1:2::")
        );
        assert_eq!(limited_address(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn every_answer_is_protected_and_hsts_needs_https() {
        let mut headers = HeaderMap::new();
        protect(&mut headers, Content::Data, false);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY_OF_DATA);
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("mine"));
        protect(&mut headers, Content::Page, true);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "mine");
        assert!(headers.contains_key(STRICT_TRANSPORT_SECURITY));
    }
}
