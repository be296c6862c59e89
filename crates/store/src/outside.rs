//! Which addresses the platform itself may call: receivers of notifications, remote contexts, push services, other
//! cities. Private addresses are refused unless the settings allow them; names are looked at when they are resolved.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Error, Result};

/// Which addresses requests may go to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guard {
    /// Whether private addresses count as allowed.
    pub private: bool,
    /// Whether this machine's own do.
    pub loopback: bool,
}

impl Guard {
    fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() {
            return self.loopback;
        }
        let never = address.is_unspecified() || address.is_multicast();
        let private = match address {
            IpAddr::V4(a) => {
                let [first, second, ..] = a.octets();
                let shared = first == 100 && (64..128).contains(&second);
                a.is_private()
                    || a.is_link_local()
                    || a.is_broadcast()
                    || first == 0
                    || first >= 240
                    || shared
                    || (first == 192 && second == 0)
                    || (first == 198 && (second & 0xfe) == 18)
            }
            IpAddr::V6(a) => (a.segments()[0] & 0xfe00) == 0xfc00 || (a.segments()[0] & 0xffc0) == 0xfe80,
        };
        !never && (!private || self.private)
    }

    /// Refuses an address that is written as a number; names are looked at when they are resolved. 400 `outside.refused`.
    pub fn check(self, url: &url::Url) -> Result<()> {
        let literal = match url.host() {
            Some(url::Host::Ipv4(a)) => Some(IpAddr::V4(a)),
            Some(url::Host::Ipv6(a)) => Some(IpAddr::V6(a)),
            // Schemes that the URL standard does not know have names only.
            Some(url::Host::Domain(name)) => name.parse().ok(),
            None => None,
        };
        match literal {
            Some(address) if !self.allows(address) => Err(Error::invalid("outside.refused", "Requests may not go to this address.")),
            _ => Ok(()),
        }
    }

    /// An allowed address of a host, for connections that are not HTTP.
    pub async fn resolve_host(self, host: &str) -> std::result::Result<IpAddr, String> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return if self.allows(address) { Ok(address) } else { Err("requests may not go to this address".to_string()) };
        }
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|e| e.to_string())?.map(|a| a.ip()).find(|a| self.allows(*a));
        found.ok_or_else(|| "the name leads to no address that requests may go to".to_string())
    }

    /// A client that reaches only what is allowed, under any name. It follows at most this many redirects, each looked at anew.
    pub fn client(self, redirects: usize) -> Result<reqwest::Client> {
        // Another part of the program may have chosen the provider already.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let policy = reqwest::redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > redirects {
                return attempt.error("too many redirects");
            }
            match self.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(e) => attempt.error(e),
            }
        });
        reqwest::Client::builder()
            .dns_resolver(Arc::new(self))
            .redirect(if redirects == 0 { reqwest::redirect::Policy::none() } else { policy })
            .no_proxy()
            // Some receivers know names of headers in this form only.
            .http1_title_case_headers()
            .connect_timeout(Duration::from_secs(5))
            .user_agent("Dothi")
            .build()
            .map_err(|e| Error::internal("preparing requests to others", e))
    }
}

impl reqwest::dns::Resolve for Guard {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (guard, host) = (*self, name.as_str().to_string());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.filter(|a| guard.allows(a.ip())).collect();
            if found.is_empty() {
                return Err("the name leads to no address that requests may go to".into());
            }
            let addresses: reqwest::dns::Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_refused() {
        let closed = Guard::default();
        for bad in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.9.9",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "224.0.0.1",
        ] {
            assert!(!closed.allows(bad.parse().unwrap()), "{bad}");
        }
        assert!(closed.allows("203.113.131.1".parse().unwrap()) && closed.allows("2001:ee0::1".parse().unwrap()));
        let local = Guard { private: false, loopback: true };
        assert!(local.allows("127.0.0.1".parse().unwrap()) && !local.allows("10.0.0.1".parse().unwrap()));
        let open = Guard { private: true, loopback: true };
        assert!(open.allows("10.0.0.1".parse().unwrap()) && !open.allows("224.0.0.1".parse().unwrap()));
    }
}
