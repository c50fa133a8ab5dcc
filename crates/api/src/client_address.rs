//! Which address a request comes from, where proxies stand in front (contract, section 6).

use std::net::{IpAddr, SocketAddr};

use actix_web::dev::RequestHead;
use actix_web::http::header::{HeaderName, HeaderValue};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word for a client's address is taken; of nobody else's is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads a comma list of addresses and networks, as `10.0.0.0/8`; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let network = |text: &str| {
            let address = || text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
            text.parse::<IpNet>().or_else(|_| address()).ok()
        };
        text.split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(network)
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Whether one of them is a network of all addresses.
    #[must_use]
    pub fn are_everybody(&self) -> bool {
        self.0.iter().any(|network| network.prefix_len() == 0)
    }

    /// The address that the request comes from: the peer's, unless that is a trusted proxy.
    #[must_use]
    pub fn client(&self, request: &RequestHead) -> Option<IpAddr> {
        let peer = request.peer_addr?.ip().to_canonical();
        let lines: Vec<_> = request.headers().get_all(&X_FORWARDED_FOR).map(HeaderValue::as_bytes).collect();
        Some(self.behind(peer, &lines.join(&b","[..])))
    }

    /// Goes from `peer` back along what each trusted proxy has seen, which it wrote behind what it was told:
    /// up to the first address that is not trusted, or to where no address is written.
    fn behind(&self, peer: IpAddr, forwarded_for: &[u8]) -> IpAddr {
        let mut client = peer;
        let mut entries = forwarded_for.rsplit(|byte| *byte == b',');
        while self.trusts(client)
            && let Some(entry) = entries.next()
            && let Some(address) = str::from_utf8(entry).ok().and_then(|entry| address(entry.trim()))
        {
            client = address;
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: some with a port, some with IPv6's brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nobody_is_trusted("", "192.0.2.9", "198.51.100.1", "192.0.2.9")]
    #[case::a_stranger_writes_what_it_likes("10.0.0.0/8", "192.0.2.9", "198.51.100.1", "192.0.2.9")]
    #[case::one_proxy("10.0.0.0/8", "10.1.2.3", "198.51.100.1", "198.51.100.1")]
    #[case::a_forged_beginning("10.0.0.1", "10.0.0.1", "203.0.113.7, 198.51.100.1", "198.51.100.1")]
    #[case::two_proxies("10.0.0.0/8", "10.0.0.1", "203.0.113.7,198.51.100.1 , 10.0.0.2", "198.51.100.1")]
    #[case::nothing_but_proxies("10.0.0.0/8", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3")]
    #[case::silent_proxy("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1")]
    #[case::no_address("10.0.0.0/8", "10.0.0.1", "198.51.100.1, unknown", "10.0.0.1")]
    #[case::no_address_further_on("10.0.0.0/8", "10.0.0.1", "198.51.100.1, <x>, 10.0.0.2", "10.0.0.2")]
    #[case::no_text("10.0.0.0/8", "10.0.0.1", "198.51.100.1, \u{7f}", "10.0.0.1")]
    #[case::a_port("10.0.0.0/8", "10.0.0.1", "198.51.100.1:4711", "198.51.100.1")]
    #[case::brackets("::1, 10.0.0.1", "::1", "[2001:db8::7]", "2001:db8::7")]
    #[case::brackets_and_port("::1", "::1", "[2001:db8::7]:4711", "2001:db8::7")]
    #[case::mapped("10.0.0.0/8", "10.0.0.1", "::ffff:198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1")]
    fn the_client_is_the_first_that_no_trusted_proxy_is(
        #[case] trusted: &str,
        #[case] peer: &str,
        #[case] forwarded_for: &str,
        #[case] client: &str,
    ) {
        let trusted = TrustedProxies::parse(trusted).unwrap();
        let peer = peer.parse().unwrap();
        assert_eq!(trusted.behind(peer, forwarded_for.as_bytes()), client.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_network_of_all_addresses_is_everybody() {
        for (text, everybody) in
            [("", false), ("10.0.0.0/8", false), ("10.0.0.1, 0.0.0.0/0", true), ("::/0", true)]
        {
            assert_eq!(TrustedProxies::parse(text).unwrap().are_everybody(), everybody, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_no_proxy() {
        for text in ["localhost", "10.0.0.0/33", "10.0.0", "10.0.0.1 10.0.0.2", "*"] {
            assert_eq!(TrustedProxies::parse(text), None, "{text}");
        }
        assert_eq!(TrustedProxies::parse(" , "), Some(TrustedProxies::default()));
    }
}
