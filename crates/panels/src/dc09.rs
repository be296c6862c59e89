//! The wire format of alarm panels, SIA DC-09, without any I/O: bytes in, messages out, and answers as bytes.
//!
//! ```text
//! <LF> CRC 0LLL "SIA-DCS" 0001 R1 L0 #ACCT [ #ACCT|Nri1/FA12^text^ ] [X…] _HH:MM:SS,MM-DD-YYYY <CR>
//! ```
//!
//! CRC and length are hexadecimal and count what stands between them and the `<CR>`. A `*` before the name says that all
//! that follows the first `[` is AES-CBC with a zero vector, in hexadecimal, padded in front and led by `|`. Instants are
//! UTC. Known from secondary sources (programs that speak it), not from the text of the standard.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use crc::{CRC_16_ARC, Crc};
use dothi_kernel::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Most bytes of a frame between `<LF>` and `<CR>`: the head's eight and what three hexadecimal digits can count.
pub const FRAME: usize = 8 + 0xfff;
/// Most blocks of extended data in a message.
const EXTENDED: usize = 16;
/// Most events in a message.
const EVENTS: usize = 16;
const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_ARC);
const FORM: &str = "%H:%M:%S,%m-%d-%Y";

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The length told is not the length.
    Length,
    /// The check sum is wrong.
    Checksum,
    /// Something stands where it may not; names it.
    Form(&'static str),
    /// It cannot be decrypted: no key, or not this one.
    Key,
}

/// What a message says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// Events in SIA format (DC-03).
    Sia,
    /// One event as Contact ID (DC-05).
    ContactId,
    /// Supervision: I am here.
    Null,
    /// Something that is not understood here.
    Other,
}

/// Whose list of codes an event is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PanelScheme)]
pub enum Scheme {
    /// Two letters (DC-03).
    Sia,
    /// Three digits (DC-05).
    Cid,
    /// A button or detector of the city model; its codes are rules.
    Device,
}

/// An AES key of 128, 192 or 256 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} bits)", self.bits())
    }
}

impl Key {
    /// A key of 16, 24 or 32 bytes.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        matches!(bytes.len(), 16 | 24 | 32).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its length in bits.
    pub fn bits(&self) -> usize {
        self.0.len() * 8
    }

    /// Encrypts whole blocks in place.
    fn seal(&self, bytes: &mut [u8]) -> Option<()> {
        let n = bytes.len();
        let sealed = match self.0.len() {
            16 => cbc::Encryptor::<aes::Aes128>::new_from_slices(&self.0, &[0; 16]).ok()?.encrypt_padded::<NoPadding>(bytes, n).is_ok(),
            24 => cbc::Encryptor::<aes::Aes192>::new_from_slices(&self.0, &[0; 16]).ok()?.encrypt_padded::<NoPadding>(bytes, n).is_ok(),
            _ => cbc::Encryptor::<aes::Aes256>::new_from_slices(&self.0, &[0; 16]).ok()?.encrypt_padded::<NoPadding>(bytes, n).is_ok(),
        };
        sealed.then_some(())
    }

    /// Decrypts whole blocks in place.
    fn unseal(&self, bytes: &mut [u8]) -> Option<()> {
        let opened = match self.0.len() {
            16 => cbc::Decryptor::<aes::Aes128>::new_from_slices(&self.0, &[0; 16]).ok()?.decrypt_padded::<NoPadding>(bytes).is_ok(),
            24 => cbc::Decryptor::<aes::Aes192>::new_from_slices(&self.0, &[0; 16]).ok()?.decrypt_padded::<NoPadding>(bytes).is_ok(),
            _ => cbc::Decryptor::<aes::Aes256>::new_from_slices(&self.0, &[0; 16]).ok()?.decrypt_padded::<NoPadding>(bytes).is_ok(),
        };
        opened.then_some(())
    }
}

/// Cuts a stream of bytes into frames. What stands outside `<LF>`…`<CR>`, and frames that are too long, is passed over.
#[derive(Debug, Default)]
pub struct Framer {
    inside: bool,
    buffer: Vec<u8>,
}

impl Framer {
    /// Takes bytes; the frames that are whole now, without `<LF>` and `<CR>`. Never keeps more than [`FRAME`] bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => {
                    self.inside = true;
                    self.buffer.clear();
                }
                b'\r' if self.inside => {
                    self.inside = false;
                    whole.push(std::mem::take(&mut self.buffer));
                }
                _ if self.inside && self.buffer.len() < FRAME => self.buffer.push(byte),
                _ => {
                    self.inside = false;
                    self.buffer.clear();
                }
            }
        }
        whole
    }
}

/// A message whose check sum holds; what is inside may be encrypted still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub token: Token,
    /// Whether what is inside is encrypted.
    pub encrypted: bool,
    /// Sequence number, 0 to 9999.
    pub sequence: u16,
    /// Receiver number (hexadecimal), if told.
    pub receiver: Option<String>,
    /// Line prefix (hexadecimal): panels tell their paths apart by it.
    pub line: String,
    /// Account, upper case; empty when not told.
    pub account: String,
    rest: String,
}

/// What is inside a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The account as told inside.
    pub account: Option<String>,
    /// The events, in the format of the message's token.
    pub data: String,
    /// Further blocks: a letter and a text each.
    pub extended: Vec<(char, String)>,
    /// The panel's clock.
    pub at: Option<Timestamp>,
}

/// One event of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whose code it is.
    pub scheme: Scheme,
    /// The code.
    pub code: String,
    /// Contact ID: 1 new, 3 restored, 6 still there. SIA tells this by the code.
    pub qualifier: Option<u8>,
    /// Part of the premises; empty when not told.
    pub area: String,
    /// Detector or user; empty when not told.
    pub zone: String,
    /// The panel's own words.
    pub text: String,
}

/// A reader of a text that knows where it stands.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn eat(&mut self, prefix: &str) -> bool {
        self.0.strip_prefix(prefix).map(|rest| self.0 = rest).is_some()
    }

    fn run(&mut self, most: usize, wanted: impl Fn(u8) -> bool) -> &'a str {
        let n = self.0.bytes().take(most).take_while(|b| wanted(*b)).count();
        // Only ASCII is wanted, so this is a border of characters.
        let (taken, rest) = self.0.split_at_checked(n).unwrap_or(("", self.0));
        self.0 = rest;
        taken
    }
}

fn hex4(bytes: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(bytes).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(text, 16).ok()
}

impl Frame {
    /// Reads what stands between `<LF>` and `<CR>`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let (head, body) = bytes.split_at_checked(8).ok_or(Fault::Form("head"))?;
        let sum = hex4(&head[..4]).ok_or(Fault::Form("check sum"))?;
        let length = hex4(&head[4..]).ok_or(Fault::Form("length"))?;
        if usize::from(length) != body.len() {
            return Err(Fault::Length);
        }
        if CRC.checksum(body) != sum {
            return Err(Fault::Checksum);
        }
        let text = String::from_utf8_lossy(body);
        let mut reader = Reader(&text);
        if !reader.eat("\"") {
            return Err(Fault::Form("name"));
        }
        let encrypted = reader.eat("*");
        let token = match reader.run(16, |b| b.is_ascii_alphanumeric() || b == b'-') {
            "SIA-DCS" => Token::Sia,
            "ADM-CID" => Token::ContactId,
            "NULL" => Token::Null,
            _ => Token::Other,
        };
        if !reader.eat("\"") {
            return Err(Fault::Form("name"));
        }
        let sequence = reader.run(4, |b| b.is_ascii_digit());
        let sequence = sequence.parse().ok().filter(|_| sequence.len() == 4).ok_or(Fault::Form("sequence"))?;
        let digits = |b: u8| b.is_ascii_hexdigit();
        let receiver = reader.eat("R").then(|| reader.run(6, digits).to_ascii_uppercase());
        let line = if reader.eat("L") { reader.run(6, digits).to_ascii_uppercase() } else { return Err(Fault::Form("line")) };
        let account = if reader.eat("#") { reader.run(16, |b| b.is_ascii_alphanumeric()).to_ascii_uppercase() } else { String::new() };
        if !reader.eat("[") {
            return Err(Fault::Form("data"));
        }
        Ok(Self { token, encrypted, sequence, receiver, line, account, rest: reader.0.to_string() })
    }

    /// What is inside, decrypted by `key` when it is encrypted.
    pub fn open(&self, key: Option<&Key>) -> Result<Content, Fault> {
        if !self.encrypted {
            return content(&self.rest, false);
        }
        let key = key.ok_or(Fault::Key)?;
        let mut bytes = hex::decode(self.rest.trim_end_matches(']')).map_err(|_| Fault::Form("hexadecimal digits"))?;
        if bytes.is_empty() || bytes.len() % 16 != 0 {
            return Err(Fault::Form("blocks"));
        }
        key.unseal(&mut bytes).ok_or(Fault::Key)?;
        // A wrong key gives noise, in which a bracket and an instant do not stand where they must.
        content(&String::from_utf8_lossy(&bytes), true).map_err(|_| Fault::Key)
    }

    /// The answer "taken". `now` is told inside of encrypted ones; `salt` makes them differ.
    pub fn ack(&self, key: Option<&Key>, now: Timestamp, salt: &[u8]) -> Vec<u8> {
        let inside = match key.filter(|_| self.encrypted) {
            Some(key) => Inside::Sealed { text: &format!("]{}", stamp(now)), key, salt },
            None => Inside::Plain("]"),
        };
        compose("ACK", self.sequence, self.receiver.as_deref(), &self.line, &self.account, inside)
    }

    /// The answer "understood, but not for me".
    pub fn duh(&self) -> Vec<u8> {
        compose("DUH", self.sequence, self.receiver.as_deref(), &self.line, &self.account, Inside::Plain("]"))
    }
}

/// The answer "your clock is wrong", with ours.
pub fn nak(now: Timestamp) -> Vec<u8> {
    frame(&format!("\"NAK\"0000R0L0A0[]{}", stamp(now)))
}

/// What follows the first `[` of a message.
pub enum Inside<'a> {
    /// As it is.
    Plain(&'a str),
    /// Encrypted, with as much of `salt` in front as fills the blocks.
    Sealed {
        /// What is encrypted.
        text: &'a str,
        /// The key.
        key: &'a Key,
        /// Bytes that nobody can guess.
        salt: &'a [u8],
    },
}

/// Writes a message with everything around it. `account` may be empty.
pub fn compose(name: &str, sequence: u16, receiver: Option<&str>, line: &str, account: &str, inside: Inside<'_>) -> Vec<u8> {
    let receiver = receiver.map(|r| format!("R{r}")).unwrap_or_default();
    let account = if account.is_empty() { String::new() } else { format!("#{account}") };
    let (star, inside) = match inside {
        Inside::Plain(text) => ("", text.to_string()),
        Inside::Sealed { text, key, salt } => {
            let pad = 15 - text.len() % 16;
            let mut bytes: Vec<u8> = (0..pad).map(|n| b'A' + salt.get(n).copied().unwrap_or(0) % 26).collect();
            bytes.push(b'|');
            bytes.extend_from_slice(text.as_bytes());
            match key.seal(&mut bytes) {
                Some(()) => ("*", hex::encode_upper(bytes)),
                // Keys have one of three lengths; there is none without a cipher.
                None => ("", "]".to_string()),
            }
        }
    };
    frame(&format!("\"{star}{name}\"{:04}{receiver}L{line}{account}[{inside}", sequence % 10_000))
}

fn frame(body: &str) -> Vec<u8> {
    format!("\n{:04X}{:04X}{body}\r", CRC.checksum(body.as_bytes()), body.len()).into_bytes()
}

/// An instant as messages tell it, with its `_`.
pub fn stamp(at: Timestamp) -> String {
    format!("_{}", at.to_zoned(TimeZone::UTC).strftime(FORM))
}

/// Reads `[pad|][#account|]data][x…]_time`.
fn content(text: &str, padded: bool) -> Result<Content, Fault> {
    let (head, mut rest) = text.split_once(']').ok_or(Fault::Form("end of data"))?;
    let mut parts: Vec<&str> = head.split('|').collect();
    let mut account = None;
    if let Some(n) = parts.iter().take(2).position(|p| p.starts_with('#')) {
        account = Some(parts[n][1..].to_ascii_uppercase());
        parts.drain(..=n);
    } else if parts.len() > 1 && (padded || parts[0].bytes().all(|b| b.is_ascii_alphanumeric())) {
        parts.remove(0);
    } else if padded {
        // Nothing but padding: an encrypted message of supervision.
        parts.clear();
    }
    let data = parts.join("|");
    let mut extended = Vec::new();
    while let Some(block) = rest.strip_prefix('[') {
        let (block, after) = block.split_once(']').ok_or(Fault::Form("extended data"))?;
        let mut letters = block.chars();
        if let Some(letter) = letters.next() {
            extended.push((letter, letters.as_str().to_string()));
        }
        rest = after;
        if extended.len() > EXTENDED {
            return Err(Fault::Form("extended data"));
        }
    }
    let at = match rest.strip_prefix('_') {
        None if rest.is_empty() => None,
        None => return Err(Fault::Form("time")),
        Some(text) => {
            let wall = DateTime::strptime(FORM, text).map_err(|_| Fault::Form("time"))?;
            Some(TimeZone::UTC.to_timestamp(wall).map_err(|_| Fault::Form("time"))?)
        }
    };
    Ok(Content { account, data, extended, at })
}

impl Content {
    /// The events told.
    pub fn events(&self, token: Token) -> Result<Vec<Told>, Fault> {
        match token {
            Token::Sia => sia(&self.data),
            Token::ContactId => contact_id(&self.data).map(|told| vec![told]),
            Token::Null => Ok(Vec::new()),
            Token::Other => Err(Fault::Form("name")),
        }
    }
}

/// `Nri1/FA12^text^/BA3`: modifiers (two small letters and a value) hold for the codes after them.
fn sia(data: &str) -> Result<Vec<Told>, Fault> {
    let mut reader = Reader(data);
    // New or old event: both are told to those on duty.
    let _age = reader.eat("N") || reader.eat("O");
    let (mut area, mut events) = (String::new(), Vec::new());
    while !reader.0.is_empty() {
        if reader.eat("/") || reader.eat("|") {
            continue;
        }
        let small = reader.run(2, |b| b.is_ascii_lowercase());
        if small.len() == 2 {
            let value = reader.run(32, |b| b != b'/' && b.is_ascii() && !b.is_ascii_control());
            if small == "ri" {
                area = value.to_string();
            }
            continue;
        }
        let code = reader.run(2, |b| b.is_ascii_uppercase());
        if !small.is_empty() || code.len() != 2 {
            return Err(Fault::Form("event code"));
        }
        let zone = reader.run(6, |b| b.is_ascii_alphanumeric()).to_string();
        let text = match reader.0.bytes().next() {
            Some(mark @ (b'^' | b'*' | b'"' | b'\'')) => {
                let inner = &reader.0[1..];
                let end = inner.bytes().position(|b| b == mark).unwrap_or(inner.len());
                let (text, rest) = inner.split_at_checked(end).ok_or(Fault::Form("text"))?;
                reader.0 = rest.get(1..).unwrap_or("");
                text
            }
            Some(b'/' | b'|') | None => "",
            // Words without marks around them: the rest is text.
            Some(_) => std::mem::take(&mut reader.0),
        };
        events.push(Told { scheme: Scheme::Sia, code: code.into(), qualifier: None, area: area.clone(), zone, text: text.trim().chars().take(200).collect() });
        if events.len() > EVENTS {
            return Err(Fault::Form("number of events"));
        }
    }
    if events.is_empty() { Err(Fault::Form("event code")) } else { Ok(events) }
}

/// `QEEE GG ZZZ`: qualifier, code, part, detector or user.
fn contact_id(data: &str) -> Result<Told, Fault> {
    let mut reader = Reader(data.trim());
    let qualifier = match reader.run(1, |b| matches!(b, b'1' | b'3' | b'6')) {
        "1" => 1,
        "3" => 3,
        "6" => 6,
        _ => return Err(Fault::Form("qualifier")),
    };
    let mut field = |n: usize, name: &'static str| {
        let found = reader.run(n, |b| b.is_ascii_hexdigit());
        let _space = reader.eat(" ");
        if found.len() == n { Ok(found.to_ascii_uppercase()) } else { Err(Fault::Form(name)) }
    };
    let (code, area, zone) = (field(3, "event code")?, field(2, "part")?, field(3, "zone")?);
    Ok(Told { scheme: Scheme::Cid, code, qualifier: Some(qualifier), area, zone, text: reader.0.trim().chars().take(200).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Reads bytes that hold one frame.
    fn one(bytes: &[u8]) -> Frame {
        let frames = Framer::default().push(bytes);
        assert_eq!(frames.len(), 1, "{bytes:?}");
        Frame::parse(&frames[0]).unwrap()
    }

    #[test]
    fn golden_frames() {
        // Sums by an independent reckoner (CRC-16/ARC of the text after the length).
        let plain = one(b"\nD3BD005B\"SIA-DCS\"9876R579BDFL789ABC#12345A[#12345A|NFA129][S123Main St., 55123]_11:10:00,10-12-2019\r");
        assert_eq!((plain.token, plain.sequence, plain.line.as_str(), plain.account.as_str()), (Token::Sia, 9876, "789ABC", "12345A"));
        let inside = plain.open(None).unwrap();
        assert_eq!(inside.at, Some(at("2019-10-12T11:10:00Z")));
        assert_eq!(inside.extended, vec![('S', "123Main St., 55123".to_string())]);
        let told = inside.events(plain.token).unwrap();
        assert_eq!((told[0].code.as_str(), told[0].zone.as_str()), ("FA", "129"));
    }

    #[test]
    fn events_of_both_formats() {
        let told = sia("Nti10:00/ri3/BA501^Cửa chính^/BR501/id7/OP0012").unwrap();
        let short: Vec<(&str, &str, &str, &str)> = told.iter().map(|t| (t.code.as_str(), t.area.as_str(), t.zone.as_str(), t.text.as_str())).collect();
        assert_eq!(short, [("BA", "3", "501", "Cửa chính"), ("BR", "3", "501", ""), ("OP", "3", "0012", "")]);
        let told = contact_id("3110 01 015").unwrap();
        assert_eq!((told.code.as_str(), told.qualifier, told.area.as_str(), told.zone.as_str()), ("110", Some(3), "01", "015"));
        for bad in ["", "N", "Nri1", "Nb", "NF", "N1"] {
            assert!(sia(bad).is_err(), "{bad}");
        }
        for bad in ["", "2110 01 015", "1110 01", "111 01 015"] {
            assert!(contact_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_broken_is_told_apart() {
        let good = compose("SIA-DCS", 7, Some("1"), "0", "AB12", Inside::Plain("#AB12|NFA1]"));
        let inner = &good[1..good.len() - 1];
        let mut sum = inner.to_vec();
        sum[0] = if sum[0] == b'0' { b'1' } else { b'0' };
        assert_eq!(Frame::parse(&sum).unwrap_err(), Fault::Checksum);
        assert_eq!(Frame::parse(&inner[..inner.len() - 1]).unwrap_err(), Fault::Length);
        let sealed = compose("SIA-DCS", 7, None, "0", "AB12", Inside::Sealed { text: "#AB12|NFA1]_10:00:00,01-02-2026", key: &key(16), salt: &[3; 16] });
        let frame = one(&sealed);
        assert_eq!(frame.open(None).unwrap_err(), Fault::Key);
        assert_eq!(frame.open(Some(&Key::new(vec![9; 16]).unwrap())).unwrap_err(), Fault::Key);
        assert_eq!(frame.open(Some(&key(16))).unwrap().data, "NFA1");
        assert_eq!(Framer::default().push(&[&b"\n"[..], &vec![b'x'; FRAME + 1], b"\r"].concat()).len(), 0, "bounded");
    }

    fn key(length: usize) -> Key {
        Key::new((0..length as u8).collect()).unwrap()
    }

    proptest! {
        /// What is written is read, however the bytes are cut, encrypted or not, with each length of key.
        #[test]
        fn written_is_read(
            sequence in 0u16..10_000, account in "[0-9A-F]{3,16}", line in "[0-9A-F]{1,6}", area in "[0-9]{1,3}", zone in "[0-9]{1,4}",
            words in "[a-zA-Zăâđêôơư .,-]{0,40}", seconds in 0i64..4_000_000_000, length in proptest::sample::select(vec![0usize, 16, 24, 32]),
            salt in proptest::collection::vec(any::<u8>(), 16), cut in 1usize..40,
        ) {
            let at = Timestamp::from_second(seconds).unwrap();
            let text = format!("#{account}|Nri{area}/FA{zone}^{words}^][X105.8][Y21.0]{}", stamp(at));
            let secret = (length > 0).then(|| key(length));
            let inside = match &secret {
                Some(key) => Inside::Sealed { text: &text, key, salt: &salt },
                None => Inside::Plain(&text),
            };
            let bytes = compose("SIA-DCS", sequence, Some("1"), &line, &account, inside);
            let mut framer = Framer::default();
            let frames: Vec<Vec<u8>> = bytes.chunks(cut).flat_map(|c| framer.push(c)).collect();
            prop_assert_eq!(frames.len(), 1);
            let frame = Frame::parse(&frames[0]).unwrap();
            prop_assert_eq!((frame.sequence, frame.encrypted, &frame.account, &frame.line), (sequence, length > 0, &account, &line));
            let content = frame.open(secret.as_ref()).unwrap();
            prop_assert_eq!(content.at, Some(at));
            prop_assert_eq!(content.account.as_deref(), Some(account.as_str()));
            let told = content.events(frame.token).unwrap();
            prop_assert_eq!((told.len(), told[0].area.as_str(), told[0].zone.as_str(), told[0].text.as_str()), (1, area.as_str(), zone.as_str(), words.trim()));
            // And the answer is a message of the same kind.
            let answer = one(&frame.ack(secret.as_ref(), at, &salt));
            prop_assert_eq!((answer.sequence, answer.encrypted), (sequence, length > 0));
            prop_assert_eq!(answer.open(secret.as_ref()).unwrap().at, secret.as_ref().map(|_| at));
        }

        /// Bytes of any kind are refused or read, never worse.
        #[test]
        fn noise_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), body in "[\\[\\]|#/^NROL0-9A-Fa-z\"* -]{0,80}") {
            for frame in Framer::default().push(&bytes) {
                let _read = Frame::parse(&frame);
            }
            for frame in Framer::default().push(&frame(&body)) {
                if let Ok(read) = Frame::parse(&frame) {
                    for key in [None, Some(key(16))] {
                        if let Ok(content) = read.open(key.as_ref()) {
                            let _told = (sia(&content.data), contact_id(&content.data));
                        }
                    }
                }
            }
        }
    }
}
