//! Which addresses the platform itself may call, as the store's guard says, told in NGSI-LD's errors.

use std::net::IpAddr;

use dothi_kernel::Result;
use dothi_store::outside;

use crate::ContextSettings;
use crate::fault::bad;

/// Which addresses requests may go to.
#[derive(Debug, Clone, Copy)]
pub struct Guard(outside::Guard);

impl Guard {
    /// As the installation allows.
    pub fn new(settings: ContextSettings) -> Self {
        Self(outside::Guard { private: settings.notify_private, loopback: settings.notify_private || settings.trust_loopback })
    }

    /// Refuses an address that is written as a number; names are looked at when they are resolved.
    pub fn check(self, url: &url::Url) -> Result<()> {
        self.0.check(url).map_err(|e| bad(e.detail()))
    }

    /// An allowed address of a host, for connections that are not HTTP.
    pub async fn resolve_host(self, host: &str) -> std::result::Result<IpAddr, String> {
        self.0.resolve_host(host).await
    }

    /// A client that reaches only what is allowed, under any name. It follows at most this many redirects, each looked at anew.
    pub fn client(self, redirects: usize) -> Result<reqwest::Client> {
        self.0.client(redirects)
    }
}
