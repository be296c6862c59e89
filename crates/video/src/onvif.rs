//! Finding cameras and asking them for their streams (ONVIF): WS-Discovery over UDP, and three questions over HTTP, signed in with
//! WS-UsernameToken. What comes back is from outside: bounded, and read as plain trees of names and texts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use tokio::net::UdpSocket;
use url::Url;

use crate::Video;
use crate::model::{OnvifDevice, OnvifInput, OnvifProfile, ProbeInput, Probed};

/// Where WS-Discovery listens.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const PORT: u16 = 3702;
/// How long answers are waited for.
const WAIT: Duration = Duration::from_secs(4);
const ANSWER: Duration = Duration::from_secs(10);
/// Addresses that are asked at once, answers that are taken, bytes of one.
const ADDRESSES: usize = 64;
const ANSWERS: usize = 500;
const BYTES: usize = 256 * 1024;
/// Depth and elements of one answer.
const DEPTH: usize = 40;
const ELEMENTS: usize = 10_000;
/// Streams of one device.
const PROFILES: usize = 16;
/// Letters of one text.
const TEXT: usize = 1_000;

/// An element of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Name without prefix.
    pub name: String,
    /// Text directly in it.
    pub text: String,
    /// Attributes by name without prefix.
    pub attributes: BTreeMap<String, String>,
    /// Elements in it.
    pub children: Vec<Node>,
}

impl Node {
    /// Reads an answer; none when it is no XML, too deep or too large.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > BYTES {
            return None;
        }
        let mut reader = Reader::from_str(text);
        let (mut open, mut count) = (vec![Node::default()], 0usize);
        loop {
            match reader.read_event().ok()? {
                Event::Start(e) => {
                    open.push(begun(&e));
                    count += 1;
                }
                Event::Empty(e) => {
                    open.last_mut()?.children.push(begun(&e));
                    count += 1;
                }
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Text(t) => add(&mut open.last_mut()?.text, &t.xml10_content()),
                Event::GeneralRef(r) => {
                    let letter = match &*r {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => r.resolve_char_ref().ok()?,
                    };
                    add(&mut open.last_mut()?.text, letter?.encode_utf8(&mut [0; 4]));
                }
                // Declarations of our own entities are nobody's camera.
                Event::DocType(_) => return None,
                Event::Eof => break,
                _ => {}
            }
            if open.len() > DEPTH || count > ELEMENTS {
                return None;
            }
        }
        if open.len() == 1 { open.pop()?.children.pop() } else { None }
    }

    /// All elements of a name below this one, in order.
    pub fn all(&self, name: &str) -> Vec<&Node> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }

    /// Text of the first element of a name below this one; empty when there is none.
    pub fn text_of(&self, name: &str) -> String {
        self.all(name).first().map(|n| n.text.trim().to_string()).unwrap_or_default()
    }
}

fn begun(e: &quick_xml::events::BytesStart<'_>) -> Node {
    let attributes = e.attributes().flatten().map(|a| {
        let value = quick_xml::escape::unescape(&a.value).map_or_else(|_| a.value.to_string(), |v| v.to_string());
        (a.key.local_name().into_inner().to_string(), value.chars().take(TEXT).collect())
    });
    Node { name: e.local_name().into_inner().to_string(), attributes: attributes.take(20).collect(), ..Node::default() }
}

fn add(text: &mut String, more: &str) {
    let room = TEXT.saturating_sub(text.chars().count());
    text.extend(more.chars().take(room));
}

/// Devices that an answer to a probe names: address of the service, name, hardware.
pub fn probed(xml: &str) -> Vec<(String, String, String)> {
    let Some(root) = Node::parse(xml) else { return Vec::new() };
    let scope = |scopes: &str, kind: &str| {
        let found = scopes.split_whitespace().find_map(|s| s.split_once(&format!("/{kind}/")).map(|(_, value)| value.replace("%20", " ")));
        found.unwrap_or_default()
    };
    let of = |m: &&Node| {
        let scopes = m.text_of("Scopes");
        let addresses = m.text_of("XAddrs");
        let http = addresses.split_whitespace().find(|a| Url::parse(a).is_ok_and(|u| matches!(u.scheme(), "http" | "https")))?;
        Some((http.to_string(), scope(&scopes, "name"), scope(&scopes, "hardware")))
    };
    root.all("ProbeMatch").iter().filter_map(of).collect()
}

fn probe(id: uuid::Uuid) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:w=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><e:Header><w:MessageID>uuid:{id}</w:MessageID>\
         <w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>\
         <w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>\
         <e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
    )
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).to_string()
}

/// The head that signs a question in (WS-UsernameToken, digest: Base64(SHA-1(nonce, created, password))).
fn token(user: &str, password: &str, nonce: &[u8], created: &str) -> String {
    if user.is_empty() {
        return String::new();
    }
    let mut hash = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(nonce);
    hash.update(created.as_bytes());
    hash.update(password.as_bytes());
    format!(
        "<s:Header><Security s:mustUnderstand=\"1\" xmlns=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">\
         <UsernameToken><Username>{}</Username>\
         <Password Type=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest\">{}</Password>\
         <Nonce EncodingType=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary\">{}</Nonce>\
         <Created xmlns=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\">{created}</Created>\
         </UsernameToken></Security></s:Header>",
        escaped(user),
        BASE64.encode(hash.finish()),
        BASE64.encode(nonce),
    )
}

fn bad() -> Error {
    Error::unprocessable("video.onvif.answer", "This address does not answer as an ONVIF device does.")
}

impl Video {
    /// Asks who is there: everybody on this machine's network, or the addresses given. Needs `camera-manage`.
    /// 400 `outside.refused`, 422 `video.probe.address`, `video.private`.
    pub async fn probe(&self, caller: &Caller, input: &ProbeInput) -> Result<Vec<Probed>> {
        caller.require(Permission::CameraManage, Scope::ANY)?;
        if input.addresses.len() > ADDRESSES {
            return Err(Error::unprocessable("video.probe.address", "These are too many addresses at once.").with("most", ADDRESSES));
        }
        let failed = |e: std::io::Error| Error::unavailable("video.probe.network", "The network cannot be asked.").because(e);
        let mut targets: Vec<SocketAddr> = Vec::new();
        for text in input.addresses.iter().map(|a| a.trim()).filter(|a| !a.is_empty()) {
            let wrong = || Error::unprocessable("video.probe.address", "Addresses are numbers: 192.0.2.7, or 192.0.2.7:3702.").with("address", text);
            let address = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT))).map_err(|_| wrong())?;
            self.settings
                .guard
                .resolve_host(&address.ip().to_string())
                .await
                .map_err(|_| Error::invalid("outside.refused", "Requests may not go to this address.").with("address", text))?;
            targets.push(address);
        }
        if targets.is_empty() {
            if !self.settings.guard.private {
                return Err(Error::unprocessable("video.private", "Private networks are not allowed: DOTHI_CAMERA_PRIVATE is not set."));
            }
            targets.push(SocketAddr::from((GROUP, PORT)));
        }
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.map_err(failed)?;
        let message = probe(self.store.clock().id());
        for target in targets.iter().filter(|t| t.is_ipv4()) {
            socket.send_to(message.as_bytes(), target).await.map_err(failed)?;
        }
        let mut found: BTreeMap<String, Probed> = BTreeMap::new();
        let until = tokio::time::Instant::now() + WAIT;
        let mut buffer = vec![0u8; 65_536];
        let only: Vec<IpAddr> = if input.addresses.is_empty() { Vec::new() } else { targets.iter().map(SocketAddr::ip).collect() };
        while let Ok(Ok((length, from))) = tokio::time::timeout_at(until, socket.recv_from(&mut buffer)).await {
            if !only.is_empty() && !only.contains(&from.ip()) {
                continue;
            }
            for (service, name, hardware) in probed(&String::from_utf8_lossy(&buffer[..length])) {
                if found.len() < ANSWERS {
                    let known = self.is_known(&service);
                    found.insert(service.clone(), Probed { service, name, hardware, known });
                }
            }
            if !only.is_empty() && found.len() >= only.len() {
                break;
            }
        }
        Ok(found.into_values().collect())
    }

    fn is_known(&self, service: &str) -> bool {
        let host = |text: &str| Url::parse(text).ok().and_then(|u| u.host_str().map(str::to_string));
        let wanted = host(service);
        wanted.is_some() && self.all().iter().any(|c| host(&c.url) == wanted)
    }

    /// What a device is and which streams it offers. Needs `camera-manage`. 400 `outside.refused`, 422 `video.onvif.answer`, `video.onvif.sign-in`.
    pub async fn ask_device(&self, caller: &Caller, input: &OnvifInput) -> Result<OnvifDevice> {
        caller.require(Permission::CameraManage, Scope::ANY)?;
        let service = Url::parse(input.service.trim()).ok().filter(|u| matches!(u.scheme(), "http" | "https")).ok_or_else(bad)?;
        self.settings.guard.check(&service)?;
        if input.user.len() > 200 || input.password.len() > 200 {
            return Err(bad());
        }
        let device = "http://www.onvif.org/ver10/device/wsdl";
        let media = "http://www.onvif.org/ver10/media/wsdl";
        let about = self.ask(input, &service, &format!("<GetDeviceInformation xmlns=\"{device}\"/>")).await?;
        let able = self.ask(input, &service, &format!("<GetCapabilities xmlns=\"{device}\"><Category>Media</Category></GetCapabilities>")).await?;
        // The device may know itself by another address than we do: only the path is taken from it.
        let mut address = service.clone();
        if let Some(path) = able.all("Media").first().and_then(|m| Url::parse(&m.text_of("XAddr")).ok()) {
            address.set_path(path.path());
        }
        let profiles = self.ask(input, &address, &format!("<GetProfiles xmlns=\"{media}\"/>")).await?;
        let mut found = OnvifDevice {
            manufacturer: about.text_of("Manufacturer"),
            model: about.text_of("Model"),
            firmware: about.text_of("FirmwareVersion"),
            serial: about.text_of("SerialNumber"),
            profiles: Vec::new(),
        };
        for profile in profiles.all("Profiles").into_iter().take(PROFILES) {
            let Some(name) = profile.attributes.get("token") else { continue };
            let question = format!(
                "<GetStreamUri xmlns=\"{media}\"><StreamSetup><Stream xmlns=\"http://www.onvif.org/ver10/schema\">RTP-Unicast</Stream>\
                 <Transport xmlns=\"http://www.onvif.org/ver10/schema\"><Protocol>RTSP</Protocol></Transport></StreamSetup>\
                 <ProfileToken>{}</ProfileToken></GetStreamUri>",
                escaped(name)
            );
            let uri = self.ask(input, &address, &question).await?.text_of("Uri");
            let encoder = profile.all("VideoEncoderConfiguration").first().map_or_else(Node::default, |n| (*n).clone());
            let side = |what: &str| encoder.all("Resolution").first().and_then(|r| r.text_of(what).parse().ok()).unwrap_or(0);
            found.profiles.push(OnvifProfile {
                token: name.clone(),
                name: profile.children.iter().find(|c| c.name == "Name").map(|n| n.text.clone()).unwrap_or_default(),
                encoding: encoder.text_of("Encoding"),
                width: side("Width"),
                height: side("Height"),
                url: plain(&uri),
            });
        }
        Ok(found)
    }

    async fn ask(&self, input: &OnvifInput, address: &Url, question: &str) -> Result<Node> {
        let nonce: [u8; 16] = rand::random();
        let created = self.store.clock().now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">{}<s:Body>{question}</s:Body></s:Envelope>",
            token(&input.user, &input.password, &nonce, &created)
        );
        let client = self.settings.guard.client(0)?;
        let request = client.post(address.clone()).timeout(ANSWER).header("Content-Type", "application/soap+xml; charset=utf-8").body(body);
        let mut answer = request.send().await.map_err(|e| bad().because(e))?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|e| bad().because(e))? {
            bytes.extend_from_slice(&part);
            if bytes.len() > BYTES {
                return Err(bad());
            }
        }
        let root = Node::parse(&String::from_utf8_lossy(&bytes));
        let refused =
            status == 401 || root.as_ref().is_some_and(|r| !r.all("Fault").is_empty() && r.all("Value").iter().any(|v| v.text.ends_with("NotAuthorized")));
        if refused {
            return Err(Error::unprocessable("video.onvif.sign-in", "The device does not accept the name and password."));
        }
        root.filter(|r| status == 200 && r.all("Fault").is_empty()).ok_or_else(bad)
    }
}

/// A stream's address without name and password.
fn plain(uri: &str) -> String {
    let Ok(mut url) = Url::parse(uri.trim()) else { return String::new() };
    let cleaned = url.set_username("").and_then(|()| url.set_password(None));
    if cleaned.is_ok() && url.scheme() == "rtsp" { url.to_string() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_standard() {
        // Example of the ONVIF programmer's guide: nonce, created and password give this digest.
        let nonce = BASE64.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let head = token("user", "userpassword", &nonce, "2010-09-16T07:50:45Z");
        assert!(head.contains(">tuOSpGlFlIXsozq4HFNeeGeFLEI=<"), "{head}");
        assert_eq!(token("", "x", &nonce, "t"), "");
    }

    #[test]
    fn answers_are_read_and_traps_are_not() {
        let xml = "<a:E xmlns:a='x'><a:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/Ng%C3%A3%20t%C6%B0 onvif://www.onvif.org/hardware/DS-1</d:Scopes>\
                   <d:XAddrs>urn:x http://203.0.113.5/onvif/device_service</d:XAddrs></a:ProbeMatch></a:E>";
        let found = probed(xml);
        assert_eq!((found.len(), found[0].0.as_str(), found[0].2.as_str()), (1, "http://203.0.113.5/onvif/device_service", "DS-1"));
        assert_eq!(Node::parse("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), None);
        assert_eq!(Node::parse(&"<a>".repeat(100)), None);
        assert_eq!(Node::parse("<a>1 &amp; &#x32;</a>").map(|n| n.text), Some("1 & 2".to_string()));
        assert_eq!(plain("rtsp://admin:12345@203.0.113.5/s?x=1&y=2"), "rtsp://203.0.113.5/s?x=1&y=2");
    }
}
