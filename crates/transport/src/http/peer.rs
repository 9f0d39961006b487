//! Who is at the other end. What a request says of it is believed only from proxies that the configuration names.

use http::HeaderMap;
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// A range of addresses: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    address: IpAddr,
    prefix: u8,
}

/// Not an address, or a prefix longer than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSubnet;

impl fmt::Display for NoSubnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address range such as 10.0.0.0/8")
    }
}

impl std::error::Error for NoSubnet {}

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Subnet, NoSubnet> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoSubnet)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| NoSubnet)?,
            None => longest,
        };
        if prefix > longest {
            return Err(NoSubnet);
        }
        Ok(Subnet { address, prefix })
    }
}

impl Subnet {
    /// Whether the address lies in the range. IPv4 written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(host)) => {
                let shift = 32 - u32::from(self.prefix);
                u32::from(net).checked_shr(shift) == u32::from(host).checked_shr(shift)
            }
            (IpAddr::V6(net), IpAddr::V6(host)) => {
                let shift = 128 - u32::from(self.prefix);
                let bits = |ip: Ipv6Addr| u128::from(ip).checked_shr(shift);
                bits(net) == bits(host)
            }
            _ => false,
        }
    }
}

/// The client's address: the last one in `X-Forwarded-For` that is not a trusted proxy, when the peer is one.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[Subnet]) -> IpAddr {
    let is_trusted = |ip: IpAddr| proxies.iter().any(|subnet| subnet.contains(ip));
    if !is_trusted(peer) {
        return peer;
    }
    let mut client = peer;
    let lists: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    for entry in lists.iter().rev().flat_map(|list| list.rsplit(',')) {
        // Behind the first word that is no address everything may be invented.
        let Ok(address) = entry.trim().parse::<IpAddr>() else {
            return client;
        };
        client = address;
        if !is_trusted(address) {
            return client;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        client_address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client("9.9.9.9", &["1.2.3.4"]), "9.9.9.9");
        assert_eq!(client("10.1.1.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(client("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(client("::1", &["1.2.3.4"]), "1.2.3.4");
    }

    #[test]
    fn what_the_client_wrote_before_the_proxies_is_not_believed() {
        assert_eq!(
            client("10.1.1.1", &["6.6.6.6, 1.2.3.4, 10.2.2.2"]),
            "1.2.3.4"
        );
        assert_eq!(client("10.1.1.1", &["6.6.6.6", "1.2.3.4"]), "1.2.3.4");
        assert_eq!(client("10.1.1.1", &["1.2.3.4, nonsense"]), "10.1.1.1");
    }

    #[test]
    fn ranges_are_read_strictly() {
        assert!("10.0.0.0/33".parse::<Subnet>().is_err());
        assert!("ten".parse::<Subnet>().is_err());
        assert!(
            "0.0.0.0/0"
                .parse::<Subnet>()
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
        assert!(
            "::/0"
                .parse::<Subnet>()
                .unwrap()
                .contains("fe80::1".parse().unwrap())
        );
        assert!(
            !"::/0"
                .parse::<Subnet>()
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
    }
}
