//! What OpenStreetMap's tags say about a road: its class, who may go which way, what it bears, which turns are banned.

use super::set::{class_of, mode};

/// Tags of one element.
pub(crate) type Tags<'a> = [(&'a str, &'a str)];

fn tag<'a>(tags: &Tags<'a>, key: &str) -> Option<&'a str> {
    tags.iter().find(|(k, _)| *k == key).map(|(_, v)| v.trim())
}

/// A road as its tags have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Road<'a> {
    pub class: u8,
    pub forward: u8,
    pub backward: u8,
    pub maxspeed: u8,
    pub height_cm: u16,
    pub weight: u16,
    pub seconds: u32,
    pub name: Option<&'a str>,
    pub number: Option<&'a str>,
}

/// Keys that rule a kind of traffic, the most special first.
const KEYS: [(u8, &[&str]); 4] = [
    (mode::FOOT, &["foot", "access"]),
    (mode::MOTORCYCLE, &["motorcycle", "motor_vehicle", "vehicle", "access"]),
    (mode::CAR, &["motorcar", "motor_vehicle", "vehicle", "access"]),
    (mode::TRUCK, &["hgv", "motor_vehicle", "vehicle", "access"]),
];

/// Who may pass, of those who usually may.
fn access(tags: &Tags<'_>, usually: u8) -> u8 {
    let mut may = 0;
    for (bit, keys) in KEYS {
        let said = keys.iter().find_map(|k| tag(tags, k));
        let passes = match said {
            Some("no" | "private" | "agricultural" | "forestry" | "use_sidepath" | "military") => false,
            Some("yes" | "permissive" | "designated" | "destination" | "delivery" | "customers" | "permit") => true,
            _ => usually & bit != 0,
        };
        may |= if passes { bit } else { 0 };
    }
    // Who comes to help goes into private ground, and where nobody else may if it says so.
    let blue = match tag(tags, "emergency") {
        Some("yes" | "designated") => true,
        Some("no") => false,
        _ => {
            let shut = ["motorcar", "motor_vehicle", "vehicle", "access"].iter().find_map(|k| tag(tags, k)) == Some("no");
            usually & mode::EMERGENCY != 0 && !shut
        }
    };
    may | if blue { mode::EMERGENCY } else { 0 }
}

/// `50`, `30 mph`; none for words (`walk`, `none`, `VN:urban`).
fn speed(text: &str) -> Option<u8> {
    let (number, factor) = match text.strip_suffix("mph") {
        Some(number) => (number, 1.609_344),
        None => (text.strip_suffix("km/h").unwrap_or(text), 1.0),
    };
    let kmh = number.trim().parse::<f64>().ok()? * factor;
    (1.0..=200.0).contains(&kmh).then(|| kmh.round() as u8)
}

/// `3.5`, `3.5 m`, `11'6"`; in centimetres.
fn height(text: &str) -> Option<u16> {
    let metres = match text.split_once('\'') {
        Some((feet, inches)) => {
            let inches = inches.trim().trim_end_matches(['"', '\'']).trim();
            let inches = if inches.is_empty() { 0.0 } else { inches.parse::<f64>().ok()? };
            (feet.trim().parse::<f64>().ok()? * 12.0 + inches) * 0.0254
        }
        None => text.trim_end_matches('m').trim().replace(',', ".").parse::<f64>().ok()?,
    };
    (0.5..=100.0).contains(&metres).then(|| (metres * 100.0).round() as u16)
}

/// `10`, `3.5 t`, `3500 kg`; in units of 10 kg.
fn weight(text: &str) -> Option<u16> {
    let tonnes = match text.strip_suffix("kg") {
        Some(kg) => kg.trim().parse::<f64>().ok()? / 1_000.0,
        None => text.trim_end_matches('t').trim().replace(',', ".").parse::<f64>().ok()?,
    };
    (0.1..=600.0).contains(&tonnes).then(|| (tonnes * 100.0).round() as u16)
}

/// `00:20`, `01:10:00`, `PT20M`, `20`; in seconds.
fn duration(text: &str) -> Option<u32> {
    if let Some(minutes) = text.strip_prefix("PT").and_then(|t| t.strip_suffix('M')) {
        return minutes.parse::<u32>().ok().filter(|m| (1..=1_440).contains(m)).map(|m| m * 60);
    }
    let parts: Vec<u32> = text.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let seconds = match parts[..] {
        [minutes] => minutes.checked_mul(60)?,
        [hours, minutes] => hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?,
        [hours, minutes, seconds] => hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?,
        _ => return None,
    };
    (1..=86_400).contains(&seconds).then_some(seconds)
}

/// What a way's tags say; none when it is no road (or not yet one, or an area).
pub(crate) fn road<'a>(tags: &Tags<'a>) -> Option<Road<'a>> {
    let class = match tag(tags, "highway") {
        Some(word) => class_of(word)?,
        None if tag(tags, "route") == Some("ferry") => class_of("ferry")?,
        None => return None,
    };
    if tag(tags, "area") == Some("yes") {
        return None;
    }
    let word = super::set::CLASSES[usize::from(class)];
    let usually = match word {
        "motorway" | "motorway_link" => mode::MOTOR,
        "steps" => mode::FOOT,
        _ => mode::ALL,
    };
    let may = access(tags, usually);
    let round = matches!(tag(tags, "junction"), Some("roundabout" | "circular"));
    // Whoever walks goes both ways.
    let motor = may & mode::MOTOR;
    let (forward, backward) = match tag(tags, "oneway") {
        Some("yes" | "true" | "1") => (motor, 0),
        Some("-1" | "reverse") => (0, motor),
        // The direction changes with the hour; we do not know when.
        Some("reversible" | "alternating") => (0, 0),
        Some("no" | "false" | "0") => (motor, motor),
        _ if round || word == "motorway" => (motor, 0),
        _ => (motor, motor),
    };
    let on_foot = may & mode::FOOT;
    let cut = |words: Option<&'a str>| words.filter(|w| !w.is_empty());
    Some(Road {
        class,
        forward: forward | on_foot,
        backward: backward | on_foot,
        maxspeed: tag(tags, "maxspeed").and_then(speed).unwrap_or(0),
        height_cm: ["maxheight:physical", "maxheight"].iter().find_map(|k| tag(tags, k)).and_then(height).unwrap_or(0),
        weight: tag(tags, "maxweight").and_then(weight).unwrap_or(0),
        seconds: if word == "ferry" { tag(tags, "duration").and_then(duration).unwrap_or(0) } else { 0 },
        name: cut(tag(tags, "name")),
        number: cut(tag(tags, "ref")),
    })
}

/// Who cannot pass a point, by its tags.
pub(crate) fn barred(tags: &Tags<'_>) -> u8 {
    let Some(barrier) = tag(tags, "barrier") else { return 0 };
    let usually = match barrier {
        // Two wheels fit between posts.
        "bollard" | "block" | "cycle_barrier" | "motorcycle_barrier" | "planter" => mode::FOOT | mode::MOTORCYCLE,
        "debris" | "jersey_barrier" | "kissing_gate" | "stile" | "turnstile" | "full-height_turnstile" | "log" | "chain" => mode::FOOT,
        _ => mode::ALL,
    };
    mode::ALL & !access(tags, usually)
}

/// What a restriction's tags say: whether it names the only turn allowed, and for whom it counts. None when it is no ban that
/// always holds.
pub(crate) fn ban(tags: &Tags<'_>) -> Option<(bool, u8)> {
    if tag(tags, "type") != Some("restriction") {
        return None;
    }
    let (word, mut modes) = match tag(tags, "restriction") {
        Some(word) => (word, mode::MOTOR),
        None => [("restriction:hgv", mode::TRUCK), ("restriction:motorcar", mode::CAR), ("restriction:motorcycle", mode::MOTORCYCLE)]
            .iter()
            .find_map(|(key, modes)| tag(tags, key).map(|w| (w, *modes)))?,
    };
    for freed in tag(tags, "except").unwrap_or_default().split(';') {
        modes &= match freed.trim() {
            "motorcar" => !mode::CAR,
            "motorcycle" => !mode::MOTORCYCLE,
            "hgv" => !mode::TRUCK,
            "emergency" => !mode::EMERGENCY,
            _ => mode::ALL,
        };
    }
    let only = word.starts_with("only_");
    (modes != 0 && (only || word.starts_with("no_")) && !matches!(word, "no_entry" | "no_exit")).then_some((only, modes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roads::set::CLASSES;

    #[test]
    fn tags_say_who_may_go_which_way() {
        let of = |tags: &Tags<'static>| road(tags).unwrap();
        let plain = of(&[("highway", "residential"), ("name", " Phố Huế ")]);
        assert_eq!((plain.forward, plain.backward, plain.name), (mode::ALL, mode::ALL, Some("Phố Huế")));
        let ring = of(&[("highway", "primary"), ("junction", "roundabout")]);
        assert_eq!((ring.forward, ring.backward), (mode::ALL, mode::FOOT));
        let back = of(&[("highway", "primary"), ("oneway", "-1")]);
        assert_eq!((back.forward, back.backward), (mode::FOOT, mode::ALL));
        let fast = of(&[("highway", "motorway")]);
        assert_eq!((fast.forward, fast.backward), (mode::MOTOR, 0));
        let yard = of(&[("highway", "service"), ("access", "private")]);
        assert_eq!(yard.forward, mode::EMERGENCY);
        let market = of(&[("highway", "residential"), ("motor_vehicle", "no"), ("motorcycle", "yes")]);
        assert_eq!(market.forward, mode::FOOT | mode::MOTORCYCLE);
        let shut = of(&[("highway", "service"), ("access", "no"), ("emergency", "yes")]);
        assert_eq!(shut.forward, mode::EMERGENCY);
        assert_eq!(road(&[("highway", "construction")]), None);
        assert_eq!(road(&[("highway", "pedestrian"), ("area", "yes")]), None);
        let ferry = of(&[("route", "ferry"), ("duration", "00:20")]);
        assert_eq!((CLASSES[usize::from(ferry.class)], ferry.seconds), ("ferry", 1_200));
        let bridge = of(&[("highway", "tertiary"), ("maxheight", "11'6\""), ("maxweight", "3500 kg"), ("maxspeed", "30 mph")]);
        assert_eq!((bridge.height_cm, bridge.weight, bridge.maxspeed), (351, 350, 48));
        assert_eq!(barred(&[("barrier", "bollard")]), mode::CAR | mode::TRUCK | mode::EMERGENCY);
        assert_eq!(barred(&[("barrier", "gate"), ("access", "private")]) & mode::EMERGENCY, 0);
        assert_eq!(ban(&[("type", "restriction"), ("restriction", "no_left_turn"), ("except", "emergency;psv")]), Some((false, 14)));
        assert_eq!(ban(&[("type", "restriction"), ("restriction:conditional", "no_left_turn @ (07:00-09:00)")]), None);
    }
}
