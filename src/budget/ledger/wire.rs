//! Bytes of ledger records: little endian, lengths first, a checksum last.
//!
//! Reading never trusts: a length is checked against what is there before anything is allocated for it.

/// What precedes every record; a record of another version is left alone.
pub(super) const VERSION: u8 = 1;

/// Why bytes are no record of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends too early, or goes on after its end.
    #[error("length does not fit the content")]
    Length,
    /// Another version writes it.
    #[error("version {0} is not known")]
    Version(u8),
    /// The checksum does not match.
    #[error("checksum does not match")]
    Checksum,
    /// A value is none of those that there are.
    #[error("a value is out of its range")]
    Value,
}

/// Collects bytes.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A number of things that follow.
    pub(super) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn numbers(&mut self, numbers: &[u64]) {
        self.count(numbers.len());
        for number in numbers {
            self.u64(*number);
        }
    }

    /// The bytes with their checksum.
    pub(super) fn seal(mut self) -> Vec<u8> {
        let sum = crc32fast::hash(&self.0);
        self.u32(sum);
        self.0
    }
}

/// Takes bytes apart.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks version and checksum; what is between them is read next.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (version, _) = bytes.split_first().ok_or(DecodeError::Length)?;
        if *version != VERSION {
            return Err(DecodeError::Version(*version));
        }
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(DecodeError::Length)?;
        if crc32fast::hash(content) != u32::from_le_bytes(*sum) {
            return Err(DecodeError::Checksum);
        }
        content.get(1..).map(Self).ok_or(DecodeError::Length)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Length)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    /// A number of things that take at least `each` bytes, which must be there.
    pub(super) fn count(&mut self, each: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.u32()?).map_err(|_| DecodeError::Length)?;
        if count.saturating_mul(each.max(1)) > self.0.len() {
            return Err(DecodeError::Length);
        }
        Ok(count)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Value)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.count(1)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Length)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn numbers(&mut self) -> Result<Vec<u64>, DecodeError> {
        let count = self.count(8)?;
        (0..count).map(|_| self.u64()).collect()
    }

    /// Everything must have been read.
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Length) }
    }
}
