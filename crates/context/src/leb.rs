//! Numbers and texts of variable length, as the stored form of entities and the map's wire format hold them.

/// Bytes under construction.
pub trait Leb {
    /// A whole number, LEB128.
    fn unsigned(&mut self, n: u64);

    /// Zigzag, so that small ones of either sign are short.
    fn signed(&mut self, n: i64) {
        self.unsigned(((n << 1) ^ (n >> 63)) as u64);
    }

    /// A text behind its length in bytes.
    fn text(&mut self, text: &str);
}

impl Leb for Vec<u8> {
    fn unsigned(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.push(n as u8);
    }

    fn text(&mut self, text: &str) {
        self.unsigned(text.len() as u64);
        self.extend_from_slice(text.as_bytes());
    }
}
