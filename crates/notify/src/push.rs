//! Web push: a message is encrypted for one browser (RFC 8291 over RFC 8188), signed as ours (VAPID, RFC 8292) and handed to
//! the push service that the browser named (RFC 8030).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dothi_kernel::{Error, Result, Timestamp};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

/// Record size named in the header; one record is all there is.
const RECORD: u32 = 4_096;
/// Bytes of a message before encryption: push services take 4,096 after it, and 86 + 17 of these are ours.
pub const LARGEST: usize = 3_800;
/// Hours for which a signature counts; RFC 8292 allows 24.
const SIGNED_HOURS: i64 = 12;

/// What a browser gave: where to send, and how to encrypt for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The browser's public key, uncompressed (65 bytes).
    pub p256dh: Vec<u8>,
    /// The secret it shares with us (16 bytes).
    pub auth: Vec<u8>,
}

fn bad() -> Error {
    Error::invalid("notify.push.keys", "The browser's keys for messages cannot be read.")
}

impl Keys {
    /// From base64url, with or without padding. 400 `notify.push.keys`.
    pub fn parse(p256dh: &str, auth: &str) -> Result<Self> {
        let read = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| bad());
        let keys = Self { p256dh: read(p256dh)?, auth: read(auth)? };
        if keys.p256dh.len() != 65 || keys.auth.len() != 16 {
            return Err(bad());
        }
        // Agreeing with it shows whether it is a point of the curve.
        let lost = |_| Error::internal("agreeing on a key", "P-256");
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(lost)?;
        agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, &keys.p256dh), |_| ()).map_err(|_| bad())?;
        Ok(keys)
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derived(salt: &[u8], secret: &[u8], info: &[u8], length: usize) -> Result<Vec<u8>> {
    let lost = |_| Error::internal("deriving a key", "HKDF");
    let mut out = vec![0; length];
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(&[info], Length(length)).map_err(lost)?.fill(&mut out).map_err(lost)?;
    Ok(out)
}

/// Encrypts a message for a browser, with a key and a salt that are used for it alone. 413 `notify.push.large`.
pub fn encrypt(to: &Keys, message: &[u8]) -> Result<Vec<u8>> {
    let lost = |_| Error::internal("agreeing on a key", "P-256");
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(lost)?;
    let public = own.compute_public_key().map_err(lost)?;
    let shared = agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, &to.p256dh), <[u8]>::to_vec).map_err(|_| bad())?;
    seal(to, public.as_ref(), &shared, rand::random(), message)
}

/// The part of RFC 8291 that follows the key agreement.
fn seal(to: &Keys, own_public: &[u8], shared: &[u8], salt: [u8; 16], message: &[u8]) -> Result<Vec<u8>> {
    if message.len() > LARGEST {
        return Err(Error::too_large("notify.push.large", "The message is too long for a push service."));
    }
    let info = [b"WebPush: info\0".as_slice(), &to.p256dh, own_public].concat();
    let input = derived(&to.auth, shared, &info, 32)?;
    let key = derived(&salt, &input, b"Content-Encoding: aes128gcm\0", 16)?;
    let nonce = derived(&salt, &input, b"Content-Encoding: nonce\0", 12)?;
    let lost = |_| Error::internal("encrypting a message", "AES-GCM");
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(lost)?);
    // The delimiter of the last record; no padding.
    let mut record = [message, &[2]].concat();
    key.seal_in_place_append_tag(Nonce::try_assume_unique_for_key(&nonce).map_err(lost)?, Aad::empty(), &mut record).map_err(lost)?;
    let mut out = Vec::with_capacity(86 + record.len());
    out.extend_from_slice(&salt);
    out.extend_from_slice(&RECORD.to_be_bytes());
    out.push(65);
    out.extend_from_slice(own_public);
    out.append(&mut record);
    Ok(out)
}

/// Our own key, by which push services know that messages are from us.
pub struct Vapid {
    pair: EcdsaKeyPair,
    /// Mail address or page that a push service's operator can turn to.
    subject: String,
}

impl std::fmt::Debug for Vapid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vapid").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl Vapid {
    /// A new key as it is stored (PKCS#8, base64url).
    pub fn make() -> Result<String> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(URL_SAFE_NO_PAD.encode(made.map_err(|e| Error::internal("making a key", e))?.as_ref()))
    }

    /// The stored key.
    pub fn read(stored: &str, subject: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(stored).map_err(|e| Error::internal("reading the key of web push", e))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &SystemRandom::new());
        Ok(Self { pair: pair.map_err(|e| Error::internal("reading the key of web push", e))?, subject: subject.to_string() })
    }

    /// The public key as browsers want it (base64url).
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    /// The header `Authorization` of a message to an endpoint.
    pub fn authorization(&self, endpoint: &url::Url, now: Timestamp) -> Result<String> {
        let claims = serde_json::json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": now.as_second() + SIGNED_HOURS * 3_600,
            "sub": self.subject,
        });
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|e| Error::internal("signing a message", e))?;
        Ok(format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature.as_ref()), self.public()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 8291, section 5 and appendix A, from the agreed secret on (the agreement itself is ring's, with keys that it makes).
    #[test]
    fn the_example_of_rfc_8291_comes_out_byte_for_byte() {
        let to = Keys::parse("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg").unwrap();
        let own = bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let shared = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let salt: [u8; 16] = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let sent = seal(&to, &own, &shared, salt, b"When I grow up, I want to be a watermelon").unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sent), expected);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let off_curve = good.replace("Aiw4", "Aiw8");
        for (key, auth) in [(off_curve.as_str(), "BTBZMqHH6r4Tts7J_aSIgg"), (good, "BTBZMqHH6r4"), ("", ""), ("!!", "BTBZMqHH6r4Tts7J_aSIgg")] {
            assert_eq!(Keys::parse(key, auth).unwrap_err().code(), "notify.push.keys", "{key} {auth}");
        }
        let to = Keys::parse(good, "BTBZMqHH6r4Tts7J_aSIgg==").unwrap();
        let long = encrypt(&to, &vec![0; LARGEST + 1]).unwrap_err();
        assert_eq!(long.code(), "notify.push.large");
    }

    #[test]
    fn a_signature_can_be_checked_with_the_key_beside_it() {
        let vapid = Vapid::read(&Vapid::make().unwrap(), "mailto:it@example.vn").unwrap();
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let header = vapid.authorization(&"https://push.example.net/abc/def?x=1".parse().unwrap(), now).unwrap();
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&bytes(signed.split_once('.').unwrap().1)).unwrap();
        assert_eq!(claims["aud"], "https://push.example.net");
        assert_eq!(claims["exp"], now.as_second() + 43_200);
        let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, bytes(key));
        public.verify(signed.as_bytes(), &bytes(signature)).unwrap();
    }
}
