//! What is inside a device's message: envelopes of LoRaWAN network servers taken off, makers' codecs run.

use dothi_kernel::{Error, Kind, Result, Timestamp, time};
use serde_json::json;

use super::{CODEC_THREADS, Devices, Entry, read, write};
use crate::codec::{self, Call, Codecs};
use crate::decode::{self, Decoded, Decoder, Fault, Node};
use crate::lorawan::Uplink;

impl Devices {
    /// Adds codecs by the name of their file, replacing those of the same name.
    pub fn set_codecs(&self, codecs: impl IntoIterator<Item = (String, String)>) {
        write(&self.sources).extend(codecs.into_iter().map(|(name, source)| (name, source.into())));
    }

    /// The ids under which a gateway's or network server's message names its device, best first; none when it names nobody.
    pub(crate) fn ids_in(&self, decoder: &Decoder, payload: &[u8]) -> std::result::Result<Vec<String>, Fault> {
        if decoder.profile.lorawan {
            let message = decode::parse(payload)?;
            let news = || crate::lorawan::Notice::read(&message).map(|n| n.ids);
            return Uplink::read(&message).map(|u| u.ids().map(str::to_string).collect()).or_else(news).ok_or(Fault::Envelope);
        }
        Ok(decoder.device_of(&Node::parse(payload)?).into_iter().collect())
    }

    /// Reads a payload; `Ok(Err(code))` when it is of no use, `Err` when it should be sent again.
    pub(super) async fn decode(&self, decoder: &Decoder, entry: &Entry, payload: &[u8], now: Timestamp) -> Result<std::result::Result<Decoded, &'static str>> {
        if !decoder.profile.lorawan && decoder.profile.codec.is_none() {
            return Ok(Node::parse(payload).and_then(|message| decoder.decode(&message, &entry.entity, now)).map_err(Fault::code));
        }
        match self.inside(decoder, payload).await {
            Ok(message) => Ok(decoder.decode(&message, &entry.entity, now).map_err(Fault::code)),
            Err(e) if matches!(e.kind(), Kind::Internal | Kind::Unavailable) => Err(e),
            Err(e) => Ok(Err(e.code())),
        }
    }

    /// What is inside an envelope, or what a codec makes of the bytes.
    async fn inside(&self, decoder: &Decoder, payload: &[u8]) -> Result<serde_json::Value> {
        let profile = &decoder.profile;
        let unusable = |fault: Fault| Error::unprocessable(fault.code(), "The payload cannot be read.");
        let uplink = if profile.lorawan { Some(uplink(payload).map_err(unusable)?) } else { None };
        let mut data = match &profile.codec {
            None => uplink.as_ref().and_then(|u| u.decoded.clone()).ok_or_else(|| unusable(Fault::Empty))?,
            Some(name) => {
                let missing = || Error::unprocessable("device.codec-unknown", "The profile's codec is not installed.");
                let source = read(&self.sources).get(name).cloned().ok_or_else(missing)?;
                let received = uplink.as_ref().and_then(|u| u.received).map(|t| time::micros(t).to_string());
                let (bytes, port) = uplink.as_ref().map_or((payload.to_vec(), 1), |u| (u.bytes.clone(), u.port));
                let converter = profile.codec_kind.converter();
                let call = match converter {
                    None => Call::DecodeUplink { bytes, port, received, variables: serde_json::Map::new() },
                    Some(language) => {
                        let metadata = serde_json::Map::from_iter([("integrationName".to_string(), profile.name.clone().into())]);
                        Call::Convert { language, message: payload.to_vec(), metadata }
                    }
                };
                let output = self.codecs()?.run(source, call).await?;
                if let Some(words) = output.errors.first() {
                    return Err(Error::unprocessable("codec.failed", words.clone()));
                }
                if converter.is_some() { codec::records(&output.data).into() } else { output.data }
            }
        };
        if let Some(uplink) = uplink {
            let received = uplink.received.map(|t| time::micros(t).to_string());
            let around = json!({"eui": uplink.eui, "port": uplink.port, "received": received, "battery": uplink.battery});
            // A codec that gives several records gives each an envelope.
            let records = match &mut data {
                serde_json::Value::Array(records) => records.as_mut_slice(),
                one => std::slice::from_mut(one),
            };
            for record in records.iter_mut().filter_map(serde_json::Value::as_object_mut) {
                record.insert("lorawan".into(), around.clone());
            }
        }
        Ok(data)
    }

    pub(super) fn codecs(&self) -> Result<&Codecs> {
        if let Some(codecs) = self.codecs.get() {
            return Ok(codecs);
        }
        let started = Codecs::start(CODEC_THREADS)?;
        Ok(self.codecs.get_or_init(|| started))
    }
}

fn uplink(payload: &[u8]) -> std::result::Result<Uplink, Fault> {
    let message = decode::parse(payload)?;
    Uplink::read(&message).ok_or(Fault::Envelope)
}
