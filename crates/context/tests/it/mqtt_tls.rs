//! The broker behind TLS, against clients that are not ours.

use dothi_context::mqtt::{Broker, Options, Tls};
use rcgen::{CertificateParams, CertifiedKey, Issuer, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::commanding::ask;
use crate::rig::Rig;

struct Door {
    port: u16,
    certificate: String,
    _stop: tokio_util::sync::DropGuard,
}

async fn door(rig: &Rig, authorities: Vec<CertificateDer<'static>>) -> Door {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let tls = Tls::new(vec![cert.der().clone()], key, authorities).unwrap();
    let broker = Broker::open(rig.context.devices().clone(), rig.context.clone(), Options { trust_loopback: true, ..Options::default() }).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    tokio::spawn(broker.listen(listener, Some(tls), stop.clone()));
    Door { port, certificate: cert.pem(), _stop: stop.drop_guard() }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_send_inside_tls() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let door = door(&rig, Vec::new()).await;
    let mut options = rumqttc::v5::MqttOptions::new("c", "localhost", door.port);
    options.set_credentials("aq-1", &secret);
    options.set_transport(rumqttc::Transport::tls(door.certificate.clone().into_bytes(), None, None));
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
    client.publish("dev/aq-1/up", rumqttc::v5::mqttbytes::QoS::AtLeastOnce, false, r#"{"pm25":7}"#).await.unwrap();
    loop {
        if let rumqttc::v5::Event::Incoming(rumqttc::v5::Incoming::PubAck(_)) = events.poll().await.unwrap() {
            break;
        }
    }
    assert_eq!(rig.history.all().await.len(), 1);
    // One that does not trust us does not come in, nor one that speaks no TLS.
    let other = generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    let mut options = rumqttc::MqttOptions::new("d", "localhost", door.port);
    options.set_transport(rumqttc::Transport::tls(other.cert.pem().into_bytes(), None, None));
    let (_client, mut events) = rumqttc::AsyncClient::new(options, 10);
    assert!(events.poll().await.is_err());
    let (_client, mut events) = rumqttc::AsyncClient::new(rumqttc::MqttOptions::new("e", "127.0.0.1", door.port), 10);
    assert!(events.poll().await.is_err());
    if !std::path::Path::new("/usr/bin/mosquitto_pub").exists() {
        eprintln!("SKIPPED: no mosquitto clients (Debian: apt-get install mosquitto-clients)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &door.certificate).unwrap();
    let port = door.port.to_string();
    let args = ["-h", "localhost", "-p", &port, "-V", "5", "-u", "aq-1", "-P", &secret, "-q", "2", "-t", "dev/aq-1/up", "-m", r#"{"pm25":8}"#, "--cafile"];
    let status = tokio::process::Command::new("mosquitto_pub").args(args).arg(&file).status().await.unwrap();
    assert!(status.success());
    assert_eq!(rig.history.all().await.len(), 2);
}

#[test]
fn a_faulty_certificate_is_told() {
    let CertifiedKey { cert, .. } = generate_simple_self_signed(vec!["a".to_string()]).unwrap();
    let other = generate_simple_self_signed(vec!["b".to_string()]).unwrap();
    let key = PrivateKeyDer::try_from(other.signing_key.serialize_der()).unwrap();
    let error = Tls::new(vec![cert.der().clone()], key, Vec::new()).err().unwrap();
    assert_eq!(error.code(), "settings.tls");
}

/// The reason of CONNACK for a client that shows a certificate and no password; 0: welcome, and it speaks for the device.
async fn shows(door: &Door, device: &str, certificate: &rcgen::Certificate, key: &KeyPair) -> u8 {
    let mut options = rumqttc::v5::MqttOptions::new("c", "localhost", door.port);
    let own = (certificate.pem().into_bytes(), key.serialize_pem().into_bytes());
    options.set_transport(rumqttc::Transport::tls(door.certificate.clone().into_bytes(), Some(own), None));
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
    client.publish(format!("dev/{device}/up"), rumqttc::v5::mqttbytes::QoS::AtLeastOnce, false, r#"{"pm25":7}"#).await.unwrap();
    loop {
        match events.poll().await {
            Ok(rumqttc::v5::Event::Incoming(rumqttc::v5::Incoming::PubAck(ack))) => {
                assert_eq!(ack.reason, rumqttc::v5::mqttbytes::v5::PubAckReason::Success);
                return 0;
            }
            Ok(_) => {}
            Err(rumqttc::v5::ConnectionError::ConnectionRefused(code)) => return code as u8,
            Err(e) => panic!("{e}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_let_devices_in() {
    let rig = Rig::new().await;
    rig.device("aq-1", "flat").await;
    rig.device("aq-2", "flat").await;
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let door = door(&rig, vec![root.der().clone()]).await;
    let add = async |device: &str, body: serde_json::Value| {
        let path = format!("/api/context/devices/{device}/credentials");
        let (status, _, made) = ask(&rig, rig.system(), axum::http::Method::POST, &path, &[], body).await;
        assert_eq!(status, axum::http::StatusCode::CREATED, "{made}");
    };
    // By fingerprint: whoever issued it.
    let own = generate_simple_self_signed(vec!["station".to_string()]).unwrap();
    let welcome = shows(&door, "aq-1", &own.cert, &own.signing_key).await;
    assert_ne!(welcome, 0, "nobody's: not let in, though programs on this machine are trusted");
    add("aq-1", serde_json::json!({"certificate": own.cert.pem()})).await;
    assert_eq!(shows(&door, "aq-1", &own.cert, &own.signing_key).await, 0);
    // By name: under the authority only.
    add("aq-2", serde_json::json!({"name": "hy-aq-02.example"})).await;
    let key = KeyPair::generate().unwrap();
    let params = || CertificateParams::new(vec!["hy-aq-02.example".to_string()]).unwrap();
    let mut client = params();
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let issued = client.signed_by(&key, &issuer).unwrap();
    assert_eq!(shows(&door, "aq-2", &issued, &key).await, 0);
    let feigned = params().self_signed(&key).unwrap();
    assert_ne!(shows(&door, "aq-2", &feigned, &key).await, 0);
}
