//! Packets in the words of the broker, written for either version of the protocol.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mqtt_protocol_core::mqtt::packet::{
    AssignedClientIdentifier, GenericPacketTrait, MaximumPacketSize, MessageExpiryInterval, Packet, Properties, Property, Qos, ReceiveMaximum, ServerKeepAlive,
    SessionExpiryInterval, SubscriptionIdentifier, TopicAliasMaximum, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode, PubcompReasonCode, PubrecReasonCode, SubackReasonCode,
    SubackReturnCode, UnsubackReasonCode,
};
use mqtt_protocol_core::mqtt::{ArcPayload, Version};

use super::Limits;
use super::session::Delivery;

/// An outgoing packet, or why it cannot be made.
pub(super) type Built = Result<Packet, MqttError>;

/// Topic aliases that a client may use.
const ALIASES: u16 = 64;

/// What a client says when it comes.
#[derive(Debug)]
pub(super) struct Hello {
    pub client: String,
    pub clean: bool,
    /// Seconds that the session outlives the connection.
    pub expiry_s: u32,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    pub will: Option<WillSpec>,
    /// Seconds of silence after which the client counts as gone, before tolerance; 0 = never.
    pub keep_alive_s: u16,
    /// Messages of QoS 1 and 2 that the client takes at a time.
    pub receive_max: u16,
    /// Bytes of the largest packet that the client takes.
    pub packet_max: usize,
    /// Whether the client takes aliases for topics.
    pub aliases: bool,
    /// Whether it wants an exchange of AUTH packets, which is not offered.
    pub exchange: bool,
}

/// Bytes of a topic alias in a packet.
pub(super) const ALIAS_BYTES: usize = 3;

/// A property's code in a packet (5.0, 2.2.2.2).
const ALIAS_MAXIMUM: u8 = 34;

/// Whether the first packet is there as a whole, or begins so that waiting for the rest is of no use.
pub(super) fn is_whole(input: &[u8], most: usize) -> bool {
    let Some(rest) = input.get(1..) else { return false };
    match length(rest) {
        Some((length, used)) => length > most || rest.len() >= used + length,
        None => rest.len() >= 4,
    }
}

fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.iter().take(4).position(|b| b & 128 == 0)?;
    let value = bytes.iter().take(end + 1).rev().fold(0usize, |sum, b| sum << 7 | usize::from(b & 127));
    Some((value, end + 1))
}

/// Whether a client of version 5 says in so many words that it takes no topic aliases. The protocol crate cannot stand a
/// maximum of 0, which the standard allows; it is made 1, and none is sent.
pub(super) fn mend_hello(input: &mut [u8]) -> bool {
    let Some((_, used)) = input.get(1..).and_then(length) else { return false };
    // Protocol name, version, flags, keep-alive.
    let at = 1 + used + 10;
    if input.get(1 + used..at).is_none_or(|head| head.get(..7) != Some(b"\0\x04MQTT\x05".as_slice())) {
        return false;
    }
    let Some((properties, used)) = input.get(at..).and_then(length) else { return false };
    let (mut at, end) = (at + used, at + used + properties);
    while at < end {
        let Some(Ok((_, size))) = input.get(at..end).map(Property::parse) else { return false };
        match input.get_mut(at..at + size) {
            Some([ALIAS_MAXIMUM, 0, low @ 0]) => {
                *low = 1;
                return true;
            }
            Some(_) => at += size,
            None => return false,
        }
    }
    false
}

/// A will as it was left.
#[derive(Debug)]
pub(super) struct WillSpec {
    pub topic: String,
    pub payload: ArcPayload,
    pub qos: Qos,
    pub retain: bool,
    pub delay_s: u32,
    pub props: Properties,
}

impl Hello {
    pub(super) fn of_v3(p: &v3_1_1::Connect, default_expiry_s: u32) -> Self {
        Self {
            client: p.client_id().to_string(),
            clean: p.clean_session(),
            expiry_s: if p.clean_session() { 0 } else { default_expiry_s },
            user: p.user_name().map(str::to_string),
            password: p.password().map(<[u8]>::to_vec),
            will: p.will_topic().map(|topic| WillSpec {
                topic: topic.to_string(),
                payload: payload(p.will_payload()),
                qos: p.will_qos(),
                retain: p.will_retain(),
                delay_s: 0,
                props: Vec::new(),
            }),
            keep_alive_s: p.keep_alive(),
            receive_max: u16::MAX,
            packet_max: usize::MAX,
            aliases: false,
            exchange: false,
        }
    }

    pub(super) fn of_v5(p: &v5_0::Connect) -> Self {
        let mut hello = Self {
            client: p.client_id().to_string(),
            clean: p.clean_start(),
            expiry_s: 0,
            user: p.user_name().map(str::to_string),
            password: p.password().map(<[u8]>::to_vec),
            will: None,
            keep_alive_s: p.keep_alive(),
            receive_max: u16::MAX,
            packet_max: usize::MAX,
            aliases: false,
            exchange: false,
        };
        for prop in p.props() {
            match prop {
                Property::SessionExpiryInterval(v) => hello.expiry_s = v.val(),
                Property::ReceiveMaximum(v) => hello.receive_max = v.val(),
                Property::MaximumPacketSize(v) => hello.packet_max = usize::try_from(v.val()).unwrap_or(usize::MAX),
                Property::TopicAliasMaximum(v) => hello.aliases = v.val() > 0,
                Property::AuthenticationMethod(_) => hello.exchange = true,
                _ => {}
            }
        }
        hello.will = p.will_topic().map(|topic| WillSpec {
            topic: topic.to_string(),
            payload: payload(p.will_payload()),
            qos: p.will_qos(),
            retain: p.will_retain(),
            delay_s: p.will_props().iter().find_map(|prop| if let Property::WillDelayInterval(v) = prop { Some(v.val()) } else { None }).unwrap_or(0),
            props: forwarded(p.will_props()),
        });
        hello
    }
}

fn payload(bytes: Option<&[u8]>) -> ArcPayload {
    let data: mqtt_protocol_core::mqtt::Arc<[u8]> = bytes.unwrap_or_default().into();
    let length = data.len();
    ArcPayload::new(data, 0, length)
}

/// The properties that travel on to subscribers.
pub(super) fn forwarded(props: &Properties) -> Properties {
    let travels = |p: &&Property| {
        matches!(
            p,
            Property::PayloadFormatIndicator(_)
                | Property::MessageExpiryInterval(_)
                | Property::ContentType(_)
                | Property::ResponseTopic(_)
                | Property::CorrelationData(_)
                | Property::UserProperty(_)
        )
    };
    props.iter().filter(travels).cloned().collect()
}

/// Properties as text for the database.
pub(super) fn pack(props: &Properties) -> String {
    STANDARD.encode(props.iter().flat_map(Property::to_continuous_buffer).collect::<Vec<u8>>())
}

/// Properties out of the database.
pub(super) fn unpack(text: &str) -> Properties {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let (mut rest, mut props) = (bytes.as_slice(), Vec::new());
    while let Ok((property, size)) = Property::parse(rest) {
        props.push(property);
        rest = rest.get(size..).unwrap_or_default();
    }
    props
}

/// What a client of version 5 is told beside its welcome.
#[derive(Debug, Default)]
pub(super) struct Terms<'a> {
    /// How long its session outlives it, when that is not what it asked for.
    pub expiry_s: Option<u32>,
    /// The id that we chose.
    pub assigned: Option<&'a str>,
    /// The longest silence, when that is not what it asked for.
    pub keep_alive_s: Option<u16>,
}

/// Answers a connection that is welcome.
pub(super) fn welcome(version: Version, present: bool, limits: &Limits, terms: &Terms<'_>) -> Built {
    if version == Version::V3_1_1 {
        return Ok(v3_1_1::Connack::builder().return_code(ConnectReturnCode::Accepted).session_present(present).build()?.into());
    }
    let mut props: Properties =
        vec![ReceiveMaximum::new(limits.in_flight)?.into(), MaximumPacketSize::new(limits.packet)?.into(), TopicAliasMaximum::new(ALIASES)?.into()];
    if let Some(seconds) = terms.expiry_s {
        props.push(SessionExpiryInterval::new(seconds)?.into());
    }
    if let Some(client) = terms.assigned {
        props.push(AssignedClientIdentifier::new(client)?.into());
    }
    if let Some(seconds) = terms.keep_alive_s {
        props.push(ServerKeepAlive::new(seconds)?.into());
    }
    Ok(v5_0::Connack::builder().reason_code(ConnectReasonCode::Success).session_present(present).props(props).build()?.into())
}

/// Answers a connection that is not.
pub(super) fn turned_away(version: Version, reason: ConnectReasonCode) -> Built {
    if version == Version::V5_0 {
        return Ok(v5_0::Connack::builder().reason_code(reason).session_present(false).build()?.into());
    }
    let code = match reason {
        ConnectReasonCode::BadUserNameOrPassword => ConnectReturnCode::BadUserNameOrPassword,
        ConnectReasonCode::ClientIdentifierNotValid => ConnectReturnCode::IdentifierRejected,
        ConnectReasonCode::ServerBusy | ConnectReasonCode::ServerUnavailable | ConnectReasonCode::QuotaExceeded => ConnectReturnCode::ServerUnavailable,
        _ => ConnectReturnCode::NotAuthorized,
    };
    Ok(v3_1_1::Connack::builder().return_code(code).session_present(false).build()?.into())
}

/// Acknowledges QoS 1. Version 3.1.1 has no words for a refusal: the message is acknowledged all the same.
pub(super) fn puback(version: Version, id: u16, reason: PubackReasonCode) -> Built {
    Ok(match version {
        Version::V5_0 if reason == PubackReasonCode::Success => v5_0::Puback::builder().packet_id(id).build()?.into(),
        Version::V5_0 => v5_0::Puback::builder().packet_id(id).reason_code(reason).build()?.into(),
        _ => v3_1_1::Puback::builder().packet_id(id).build()?.into(),
    })
}

/// First half of acknowledging QoS 2.
pub(super) fn pubrec(version: Version, id: u16, reason: PubackReasonCode) -> Built {
    let reason = PubrecReasonCode::try_from(reason as u8).unwrap_or(PubrecReasonCode::UnspecifiedError);
    Ok(match version {
        Version::V5_0 if reason == PubrecReasonCode::Success => v5_0::Pubrec::builder().packet_id(id).build()?.into(),
        Version::V5_0 => v5_0::Pubrec::builder().packet_id(id).reason_code(reason).build()?.into(),
        _ => v3_1_1::Pubrec::builder().packet_id(id).build()?.into(),
    })
}

/// Says to a subscriber that we know that it has a message of QoS 2.
pub(super) fn pubrel(version: Version, id: u16) -> Built {
    Ok(match version {
        Version::V5_0 => v5_0::Pubrel::builder().packet_id(id).build()?.into(),
        _ => v3_1_1::Pubrel::builder().packet_id(id).build()?.into(),
    })
}

/// Second half of acknowledging QoS 2.
pub(super) fn pubcomp(version: Version, id: u16, known: bool) -> Built {
    Ok(match version {
        Version::V5_0 if !known => v5_0::Pubcomp::builder().packet_id(id).reason_code(PubcompReasonCode::PacketIdentifierNotFound).build()?.into(),
        Version::V5_0 => v5_0::Pubcomp::builder().packet_id(id).build()?.into(),
        _ => v3_1_1::Pubcomp::builder().packet_id(id).build()?.into(),
    })
}

/// Answers a subscription, one code a filter.
pub(super) fn suback(version: Version, id: u16, codes: Vec<SubackReasonCode>) -> Built {
    if version == Version::V5_0 {
        return Ok(v5_0::Suback::builder().packet_id(id).reason_codes(codes).build()?.into());
    }
    let plain = |code: SubackReasonCode| match code {
        SubackReasonCode::GrantedQos0 => SubackReturnCode::SuccessMaximumQos0,
        SubackReasonCode::GrantedQos1 => SubackReturnCode::SuccessMaximumQos1,
        SubackReasonCode::GrantedQos2 => SubackReturnCode::SuccessMaximumQos2,
        _ => SubackReturnCode::Failure,
    };
    Ok(v3_1_1::Suback::builder().packet_id(id).return_codes(codes.into_iter().map(plain).collect()).build()?.into())
}

/// Answers the end of subscriptions.
pub(super) fn unsuback(version: Version, id: u16, known: &[bool]) -> Built {
    if version == Version::V5_0 {
        let codes = known.iter().map(|k| if *k { UnsubackReasonCode::Success } else { UnsubackReasonCode::NoSubscriptionExisted }).collect();
        return Ok(v5_0::Unsuback::builder().packet_id(id).reason_codes(codes).build()?.into());
    }
    Ok(v3_1_1::Unsuback::builder().packet_id(id).build()?.into())
}

/// Answers a ping.
pub(super) fn pingresp(version: Version) -> Built {
    Ok(match version {
        Version::V5_0 => v5_0::Pingresp::builder().build()?.into(),
        _ => v3_1_1::Pingresp::builder().build()?.into(),
    })
}

/// Says goodbye; version 3.1.1 has no such packet from a server.
pub(super) fn goodbye(version: Version, reason: DisconnectReasonCode) -> Option<Built> {
    (version == Version::V5_0).then(|| Ok(v5_0::Disconnect::builder().reason_code(reason).build()?.into()))
}

/// A message to a subscriber.
pub(super) fn publish(version: Version, delivery: &Delivery, again: bool) -> Built {
    let (message, packet) = (&delivery.message, delivery.packet());
    if version == Version::V5_0 {
        let mut props = message.props.clone();
        if let Some(left) = message.seconds_left() {
            props.retain(|p| !matches!(p, Property::MessageExpiryInterval(_)));
            props.push(MessageExpiryInterval::new(left)?.into());
        }
        for id in &delivery.ids {
            props.push(SubscriptionIdentifier::new(*id)?.into());
        }
        let publish = v5_0::Publish::builder().topic_name(&*message.topic)?.qos(delivery.qos).retain(delivery.retain).dup(again);
        return Ok(publish.payload(message.payload.clone()).props(props).packet_id(packet).build()?.into());
    }
    let publish = v3_1_1::Publish::builder().topic_name(&*message.topic)?.qos(delivery.qos).retain(delivery.retain).dup(again);
    Ok(publish.payload(message.payload.clone()).packet_id(packet).build()?.into())
}

/// The beginning of an exchange of QoS 2, as small as it can be.
pub(super) fn feigned(version: Version, id: u16) -> Built {
    Ok(match version {
        Version::V5_0 => v5_0::Publish::builder().topic_name("-")?.qos(Qos::ExactlyOnce).packet_id(id).build()?.into(),
        _ => v3_1_1::Publish::builder().topic_name("-")?.qos(Qos::ExactlyOnce).packet_id(id).build()?.into(),
    })
}

/// Appends a packet's bytes.
pub(super) fn write(packet: &Packet, out: &mut Vec<u8>) {
    for part in packet.to_buffers() {
        out.extend_from_slice(&part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_say_that_it_takes_no_aliases() {
        let mut hello = vec![0x10, 20, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 6, 33, 0, 9, 34, 0, 0, 0, 1, b'c'];
        assert!(!is_whole(&hello[..hello.len() - 1], 100) && is_whole(&hello, 100));
        assert!(mend_hello(&mut hello));
        assert_eq!(hello[16..19], [34, 0, 1]);
        assert!(!mend_hello(&mut hello), "one that takes some is left alone");
        for length in 0..hello.len() {
            // Nothing that is cut short is read beyond its end.
            mend_hello(&mut hello[..length].to_vec());
        }
        assert!(is_whole(&[0x10, 0xff, 0xff, 0xff, 0xff], 100), "too long a length is for others to refuse");
        assert!(is_whole(&[0x10, 0xff, 0x7f], 100), "so is a packet beyond the limit");
    }

    #[test]
    fn properties_come_back_out_of_the_database() {
        let props: Properties = vec![
            mqtt_protocol_core::mqtt::packet::ContentType::new("text/plain").unwrap().into(),
            mqtt_protocol_core::mqtt::packet::UserProperty::new("k", "v").unwrap().into(),
            mqtt_protocol_core::mqtt::packet::CorrelationData::new(vec![0u8, 255]).unwrap().into(),
            MessageExpiryInterval::new(7).unwrap().into(),
        ];
        assert_eq!(unpack(&pack(&props)), props);
        assert!(unpack("").is_empty() && unpack("not base64").is_empty());
    }
}
