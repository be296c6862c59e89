//! Packets in the words of the broker, written for either version of the protocol.

use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, MaximumPacketSize, MessageExpiryInterval, Packet, Properties, Property, Qos, ReceiveMaximum, SharedSubscriptionAvailable,
    SubscriptionIdentifierAvailable, TopicAliasMaximum, v3_1_1, v5_0,
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
    /// Messages of QoS 1 that the client takes at a time.
    pub receive_max: u16,
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
        };
        for prop in p.props() {
            match prop {
                Property::SessionExpiryInterval(v) => hello.expiry_s = v.val(),
                Property::ReceiveMaximum(v) => hello.receive_max = v.val(),
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

/// Answers a connection that is welcome. `assigned` is the client id that we chose.
pub(super) fn welcome(version: Version, present: bool, limits: &Limits, expiry_s: Option<u32>, assigned: Option<&str>) -> Built {
    if version == Version::V3_1_1 {
        return Ok(v3_1_1::Connack::builder().return_code(ConnectReturnCode::Accepted).session_present(present).build()?.into());
    }
    let mut props: Properties = vec![
        ReceiveMaximum::new(limits.in_flight)?.into(),
        MaximumPacketSize::new(limits.packet)?.into(),
        TopicAliasMaximum::new(ALIASES)?.into(),
        SharedSubscriptionAvailable::new(0)?.into(),
        SubscriptionIdentifierAvailable::new(0)?.into(),
    ];
    if let Some(seconds) = expiry_s {
        props.push(mqtt_protocol_core::mqtt::packet::SessionExpiryInterval::new(seconds)?.into());
    }
    if let Some(client) = assigned {
        props.push(mqtt_protocol_core::mqtt::packet::AssignedClientIdentifier::new(client)?.into());
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

/// A message to a subscriber. `packet` is none for QoS 0.
pub(super) fn publish(version: Version, delivery: &Delivery, packet: Option<u16>, again: bool) -> Built {
    let message = &delivery.message;
    let qos = if packet.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
    if version == Version::V5_0 {
        let mut props = message.props.clone();
        if let Some(left) = message.seconds_left() {
            props.retain(|p| !matches!(p, Property::MessageExpiryInterval(_)));
            props.push(MessageExpiryInterval::new(left)?.into());
        }
        let publish =
            v5_0::Publish::builder().topic_name(&*message.topic)?.qos(qos).retain(delivery.retain).dup(again).payload(message.payload.clone()).props(props);
        return Ok(publish.packet_id(packet).build()?.into());
    }
    let publish = v3_1_1::Publish::builder().topic_name(&*message.topic)?.qos(qos).retain(delivery.retain).dup(again).payload(message.payload.clone());
    Ok(publish.packet_id(packet).build()?.into())
}

/// Appends a packet's bytes.
pub(super) fn write(packet: &Packet, out: &mut Vec<u8>) {
    for part in packet.to_buffers() {
        out.extend_from_slice(&part);
    }
}
