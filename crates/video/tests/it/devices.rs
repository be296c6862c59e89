//! ONVIF against a small made-up device on loopback.

use std::net::SocketAddr;

use dothi_store::outside::Guard;
use dothi_store::testing::store;
use dothi_video::MIGRATIONS;
use dothi_video::model::{OnvifInput, ProbeInput};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::rig::App;

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:tt=\"t\" xmlns:x=\"x\"><s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn answer(question: &str, rtsp: &str) -> (u16, String) {
    if question.contains("GetProfiles") || question.contains("GetStreamUri") {
        // Questions about streams need a name, a digest of 20 bytes, and when it was made.
        let signed = question.contains("<Username>admin</Username>") && question.contains("#PasswordDigest") && question.contains("<Created");
        if !signed {
            let fault = "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code></s:Fault>";
            return (400, envelope(fault));
        }
    }
    let body = if question.contains("GetDeviceInformation") {
        "<x:R><x:Manufacturer>Hãng A</x:Manufacturer><x:Model>IPC-1</x:Model><x:FirmwareVersion>1.2</x:FirmwareVersion><x:SerialNumber>S1</x:SerialNumber></x:R>".into()
    } else if question.contains("GetCapabilities") {
        "<x:R><x:Capabilities><tt:Media><tt:XAddr>http://198.51.100.1/onvif/media</tt:XAddr></tt:Media></x:Capabilities></x:R>".into()
    } else if question.contains("GetProfiles") {
        "<x:R><x:Profiles token=\"main\"><tt:Name>Chính</tt:Name><tt:VideoEncoderConfiguration><tt:Encoding>H264</tt:Encoding><tt:Resolution>\
         <tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration></x:Profiles></x:R>"
            .into()
    } else {
        format!("<x:R><x:MediaUri><tt:Uri>{rtsp}</tt:Uri></x:MediaUri></x:R>")
    };
    (200, envelope(&body))
}

async fn device(rtsp: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut text, mut buffer) = (String::new(), [0u8; 4_096]);
                while !text.contains("</s:Envelope>") {
                    let Ok(n @ 1..) = socket.read(&mut buffer).await else { return };
                    text.push_str(&String::from_utf8_lossy(&buffer[..n]));
                }
                let (status, body) = answer(&text, rtsp);
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _sent = socket.write_all((head + &body).as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_found_and_says_what_it_offers() {
    let app = App::new(store(&[MIGRATIONS]).await).await;
    let http = device("rtsp://admin:12345@198.51.100.1:554/ch1?a=1&amp;b=2").await;
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let asked = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0u8; 4_096];
        let (n, from) = udp.recv_from(&mut buffer).await.unwrap();
        assert!(String::from_utf8_lossy(&buffer[..n]).contains("NetworkVideoTransmitter"));
        let scopes = "onvif://www.onvif.org/name/IPC-1 onvif://www.onvif.org/hardware/IPC";
        let found = format!(
            "<d:ProbeMatches><d:ProbeMatch><d:Scopes>{scopes}</d:Scopes><d:XAddrs>http://{http}/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches>"
        );
        udp.send_to(envelope(&found).as_bytes(), from).await.unwrap();
    });
    let found = app.video.probe(&app.system(), &ProbeInput { addresses: vec![asked.to_string()] }).await.unwrap();
    assert_eq!((found.len(), found[0].name.as_str(), found[0].known), (1, "IPC-1", false));
    let question = |user: &str| OnvifInput { service: found[0].service.clone(), user: user.into(), password: "mat-khau".into() };
    assert_eq!(app.video.ask_device(&app.system(), &question("")).await.unwrap_err().code(), "video.onvif.sign-in");
    let told = app.video.ask_device(&app.system(), &question("admin")).await.unwrap();
    assert_eq!((told.manufacturer.as_str(), told.profiles.len()), ("Hãng A", 1));
    let stream = &told.profiles[0];
    assert_eq!((stream.encoding.as_str(), stream.width, stream.url.as_str()), ("H264", 1920, "rtsp://198.51.100.1:554/ch1?a=1&b=2"));
}

#[tokio::test]
async fn nobody_is_asked_whom_the_settings_do_not_allow() {
    let app = App::with(store(&[MIGRATIONS]).await, Guard::default(), |_| {}).await;
    let probe = |addresses: &[&str]| ProbeInput { addresses: addresses.iter().map(|a| (*a).to_string()).collect() };
    assert_eq!(app.video.probe(&app.system(), &probe(&[])).await.unwrap_err().code(), "video.private");
    assert_eq!(app.video.probe(&app.system(), &probe(&["10.1.2.3"])).await.unwrap_err().code(), "outside.refused");
    let inside = OnvifInput { service: "http://169.254.169.254/latest".into(), user: String::new(), password: String::new() };
    assert_eq!(app.video.ask_device(&app.system(), &inside).await.unwrap_err().code(), "outside.refused");
}
