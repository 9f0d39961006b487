//! Reading what bodies are made of: never beyond the end, and never more reserved than the bytes that are there.

use protocol::ids::UserId;
use protocol::room::Member;
use protocol::time::Timestamp;
use uuid::Uuid;

use super::{Broken, role_of};

/// What is left to read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Broken("a body ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn yes(&mut self) -> Result<bool, Broken> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Broken("neither yes nor no")),
        }
    }

    pub(super) fn number(&mut self) -> Result<u64, Broken> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Broken("a number is too long"))
    }

    pub(super) fn small(&mut self) -> Result<u32, Broken> {
        u32::try_from(self.number()?).map_err(|_| Broken("a count is too large"))
    }

    pub(super) fn length(&mut self) -> Result<usize, Broken> {
        usize::try_from(self.number()?).map_err(|_| Broken("a length is too large"))
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, Broken> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    pub(super) fn text(&mut self) -> Result<String, Broken> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| Broken("a text is not UTF-8"))
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Broken> {
        Ok(Timestamp(i64::from_le_bytes(self.array()?)))
    }

    pub(super) fn maybe_time(&mut self) -> Result<Option<Timestamp>, Broken> {
        self.yes()?.then(|| self.time()).transpose()
    }

    pub(super) fn maybe_text(&mut self) -> Result<Option<String>, Broken> {
        self.yes()?.then(|| self.text()).transpose()
    }

    pub(super) fn users(&mut self) -> Result<Vec<UserId>, Broken> {
        let count = self.length()?;
        let bytes = self.take(
            count
                .checked_mul(16)
                .ok_or(Broken("a length is too large"))?,
        )?;
        let mut from = Cursor(bytes);
        (0..count).map(|_| Ok(UserId(from.uuid()?))).collect()
    }

    pub(super) fn member(&mut self) -> Result<Member, Broken> {
        Ok(Member {
            user_id: UserId(self.uuid()?),
            role: role_of(self.byte()?)?,
            joined_at: self.time()?,
            muted_until: self.maybe_time()?,
        })
    }

    pub(super) fn end(&self) -> Result<(), Broken> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Broken("bytes after a body's end"))
        }
    }
}
