//! As much of DER (X.690) as it takes to read who a certificate (RFC 5280, 4.1) names and when it holds. Whether it is
//! genuine is not decided here: chains are verified by the TLS library, fingerprints by the registry.

use dothi_kernel::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

/// Names taken of one certificate.
const MAX_NAMES: usize = 50;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 0x11];

/// What is read of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// A stretch of DER that is read value by value.
#[derive(Debug, Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next value: tag and content. Lengths must be written as short as possible.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        // Tags of several bytes do not occur in certificates.
        if tag & 0x1F == 0x1F {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                let length = bytes.iter().fold(0usize, |sum, b| sum << 8 | usize::from(*b));
                let shortest = length > 0x7F && bytes[0] != 0;
                (shortest.then_some(length)?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The next value, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<Reader<'a>> {
        let mut ahead = *self;
        let (found, content) = ahead.next()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(Reader(content))
    }
}

/// Reads a certificate; none when it is not one, or holds something twice that must be there once.
pub(super) fn facts(der: &[u8]) -> Option<Facts> {
    let mut whole = Reader(der);
    let mut certificate = whole.take(SEQUENCE)?;
    if !whole.0.is_empty() {
        return None;
    }
    let mut body = certificate.take(SEQUENCE)?;
    let _version = body.take(0xA0);
    let _serial = body.take(0x02)?;
    let _algorithm = body.take(SEQUENCE)?;
    let _issuer = body.take(SEQUENCE)?;
    let mut validity = body.take(SEQUENCE)?;
    let (not_before, not_after) = (instant(&mut validity)?, instant(&mut validity)?);
    let mut names = Vec::new();
    common_names(body.take(SEQUENCE)?, &mut names)?;
    let _key = body.take(SEQUENCE)?;
    let _issuer_id = body.take(0x81);
    let _subject_id = body.take(0x82);
    if let Some(mut extensions) = body.take(0xA3) {
        let mut list = extensions.take(SEQUENCE)?;
        let mut seen = false;
        while !list.0.is_empty() {
            let mut extension = list.take(SEQUENCE)?;
            let oid = extension.take(OID)?;
            let _critical = extension.take(BOOLEAN);
            let mut value = extension.take(OCTETS)?;
            if oid.0 == ALTERNATIVE_NAMES {
                if std::mem::replace(&mut seen, true) {
                    return None;
                }
                alternative_names(value.take(SEQUENCE)?, &mut names)?;
            }
        }
    }
    Some(Facts { names, not_before, not_after })
}

fn add(names: &mut Vec<String>, bytes: &[u8]) {
    // A name with a zero byte or of another encoding is nobody's.
    if let Ok(name) = std::str::from_utf8(bytes)
        && names.len() < MAX_NAMES
        && !name.contains('\0')
    {
        names.push(name.to_string());
    }
}

fn common_names(mut subject: Reader<'_>, names: &mut Vec<String>) -> Option<()> {
    while !subject.0.is_empty() {
        let mut set = subject.take(SET)?;
        while !set.0.is_empty() {
            let mut attribute = set.take(SEQUENCE)?;
            let oid = attribute.take(OID)?;
            let (tag, value) = attribute.next()?;
            // UTF8String, PrintableString, IA5String: what a name of a device is written in.
            if oid.0 == COMMON_NAME && matches!(tag, 0x0C | 0x13 | 0x16) {
                add(names, value);
            }
        }
    }
    Some(())
}

fn alternative_names(mut list: Reader<'_>, names: &mut Vec<String>) -> Option<()> {
    while !list.0.is_empty() {
        let (tag, value) = list.next()?;
        // Mail address, DNS name, URI.
        if matches!(tag, 0x81 | 0x82 | 0x86) {
            add(names, value);
        }
    }
    Some(())
}

/// A time (RFC 5280, 4.1.2.5): always in UTC and with seconds.
fn instant(from: &mut Reader<'_>) -> Option<Timestamp> {
    let (tag, content) = from.next()?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i16 = text[..2].parse().ok()?;
            (if year >= 50 { 1900 + year } else { 2000 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = jiff::civil::Date::new(year, month, day).ok().filter(|d| *d >= date(1950, 1, 1))?;
    // The end of the year 9999 means "never", and lies beyond what an instant holds.
    Some(day.at(hour, minute, second, 0).to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |z| z.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded_and_the_shortest() {
        for bad in
            [&[0x30][..], &[0x30, 0x80], &[0x30, 5, 0], &[0x30, 0x81, 3, 0, 0, 0], &[0x30, 0x84, 0, 0, 0, 1, 0], &[0x1F, 1, 0], &[0x30, 0x83, 0xFF, 0xFF, 0xFF]]
        {
            assert!(Reader(bad).next().is_none(), "{bad:?}");
        }
        assert_eq!(Reader(&[0x04, 1, 7]).next(), Some((0x04, &[7][..])));
    }

    #[test]
    fn times_are_those_of_certificates() {
        let read = |tag: u8, text: &str| instant(&mut Reader(&[&[tag, text.len() as u8][..], text.as_bytes()].concat())).map(|t| t.to_string());
        assert_eq!(read(UTC_TIME, "261121010203Z").as_deref(), Some("2026-11-21T01:02:03Z"));
        assert_eq!(read(UTC_TIME, "991231235959Z").as_deref(), Some("1999-12-31T23:59:59Z"));
        assert_eq!(read(GENERALIZED_TIME, "99991231235959Z").as_deref(), Some(Timestamp::MAX.to_string().as_str()));
        for (tag, bad) in
            [(UTC_TIME, "2611210102Z"), (UTC_TIME, "261321010203Z"), (UTC_TIME, "260230010203Z"), (GENERALIZED_TIME, "20261121010203"), (0x04, "261121010203Z")]
        {
            assert_eq!(read(tag, bad), None, "{bad}");
        }
    }
}
