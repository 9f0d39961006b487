//! Codes by mail: made, kept as MACs, compared, and judged by the time given. No clock, no I/O; chance is an argument.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use protocol::ids::ChallengeId;
use protocol::time::Timestamp;
use store::ChallengeRow;
use zeroize::Zeroizing;

use crate::secrets;

/// Guesses that one code takes, right or wrong.
pub(crate) const TRIES: u32 = 5;
/// Codes that one challenge may have; then a new challenge must be asked for.
pub(crate) const ISSUES_MAX: u32 = 5;
/// How long to wait before another code is sent.
pub(crate) const RESEND_AFTER: Duration = Duration::from_secs(30);

/// The digits of a code; never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code(Zeroizing<String>);

impl Code {
    /// The digits themselves: for the mail and the comparison.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }

    /// What a person typed: spaces and dashes between the groups do not count. Whatever else they typed is a wrong code.
    pub(crate) fn typed(text: &str) -> Self {
        Self(Zeroizing::new(
            text.chars()
                .filter(|c| !matches!(c, ' ' | '-'))
                .take(32)
                .collect(),
        ))
    }

    /// A new one: uniform over all of this many digits (1 to 12), by throwing numbers away that would favour some.
    ///
    /// # Errors
    /// Those of `random`, which gives 64 random bits.
    pub(crate) fn draw<E>(
        digits: u32,
        mut random: impl FnMut() -> Result<u64, E>,
    ) -> Result<Self, E> {
        let codes = 10u64.pow(digits.clamp(1, 12));
        // The greatest multiple of `codes` that fits: numbers from there on are thrown away.
        let fair = u64::MAX - u64::MAX % codes;
        loop {
            let number = random()?;
            if number < fair {
                let width = usize::try_from(digits).unwrap_or(12);
                return Ok(Self(Zeroizing::new(format!("{:0width$}", number % codes))));
            }
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(***)")
    }
}

/// What is kept of a code. Bound to the challenge, to the issue and to the address: it opens nothing else.
pub(crate) fn mac(pepper: &hmac::Key, bound: (ChallengeId, u32, &str), code: &Code) -> [u8; 32] {
    let (id, issue, email) = bound;
    let parts: [&[u8]; 5] = [
        b"otp",
        id.0.as_bytes(),
        &issue.to_be_bytes(),
        email.as_bytes(),
        code.digits().as_bytes(),
    ];
    secrets::mac(pepper, &parts)
}

/// Whether this is the code in force, in a time that tells nothing.
pub(crate) fn matches(pepper: &hmac::Key, row: &ChallengeRow, code: &Code) -> bool {
    secrets::same(
        &mac(pepper, (row.id, row.issue, &row.email), code),
        &row.code_mac,
    )
}

/// Whether guesses are still taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// So many more guesses.
    Open(u32),
    /// The code was used, or its time is over.
    Over,
    /// All guesses are spent.
    Locked,
}

/// How a challenge stands at this time.
pub(crate) fn standing(row: &ChallengeRow, now: Timestamp) -> Standing {
    if row.used_at.is_some() || now >= row.expires_at {
        return Standing::Over;
    }
    match TRIES.saturating_sub(row.attempts) {
        0 => Standing::Locked,
        left => Standing::Open(left),
    }
}

/// Milliseconds until another code may be sent for this challenge.
pub(crate) fn resend_after_ms(row: &ChallengeRow, now: Timestamp) -> u64 {
    let pause = i64::try_from(RESEND_AFTER.as_millis()).unwrap_or(i64::MAX);
    let left = row.issued_at.plus_millis(pause).0.saturating_sub(now.0);
    // A clock that went back must not make the wait longer than it ever is.
    u64::try_from(left.clamp(0, pause)).unwrap_or(0)
}

/// How long the answer to the n-th wrong guess waits: whoever guesses fast is slowed down, whoever mistypes hardly notices.
pub(crate) fn slow_down(wrong: u32) -> Duration {
    Duration::from_millis(u64::from(wrong.min(TRIES)) * 100)
}

#[cfg(test)]
mod tests {
    use protocol::ids::ChallengeId;
    use store::MailState;
    use uuid::Uuid;

    use super::*;

    fn pepper() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[9; 32])
    }

    fn row(code: &Code) -> ChallengeRow {
        let id = ChallengeId(Uuid::from_u128(1));
        ChallengeRow {
            id,
            email: "ada@example.com".into(),
            secret_hash: [0; 32],
            code_mac: mac(&pepper(), (id, 1, "ada@example.com"), code),
            issue: 1,
            attempts: 0,
            issued_at: Timestamp(1_000_000),
            expires_at: Timestamp(1_300_000),
            used_at: None,
            mail: MailState::Queued,
        }
    }

    fn os() -> Result<u64, secrets::SecretError> {
        secrets::random::<8>().map(u64::from_be_bytes)
    }

    /// O1: χ² over the digits of 10⁵ codes (8·10⁵ digits), place by place.
    #[test]
    fn every_digit_is_as_likely_as_any_other() {
        let mut counts = [[0u32; 10]; 8];
        const DRAWS: u32 = 100_000;
        for _ in 0..DRAWS {
            let code = Code::draw(8, os).unwrap();
            assert_eq!(code.digits().len(), 8);
            for (place, digit) in code.digits().bytes().enumerate() {
                counts[place][usize::from(digit - b'0')] += 1;
            }
        }
        let expected = f64::from(DRAWS) / 10.0;
        for (place, counts) in counts.iter().enumerate() {
            let chi2: f64 = counts
                .iter()
                .map(|n| (f64::from(*n) - expected).powi(2) / expected)
                .sum();
            // 9 degrees of freedom: beyond 60 once in 10⁹ honest runs.
            assert!(chi2 < 60.0, "place {place}: {counts:?}");
        }
    }

    /// O1: a number that would make the low codes likelier is thrown away.
    #[test]
    fn numbers_beyond_the_last_whole_range_are_drawn_again() {
        let mut numbers = [u64::MAX, u64::MAX - u64::MAX % 100_000_000, 7].into_iter();
        let code = Code::draw::<()>(8, || numbers.next().ok_or(())).unwrap();
        assert_eq!(code.digits(), "00000007");
        let last_fair = u64::MAX - u64::MAX % 100_000_000 - 1;
        assert_eq!(
            Code::draw::<()>(8, || Ok(last_fair)).unwrap().digits(),
            "99999999"
        );
    }

    /// O2: what is stored says nothing without the pepper.
    #[test]
    fn a_dump_of_the_store_does_not_give_the_code_away() {
        let code = Code::draw(8, os).unwrap();
        let row = row(&code);
        let guessed_pepper = hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]);
        assert!(matches(&pepper(), &row, &code));
        assert!(!matches(&guessed_pepper, &row, &code));
        let dump = format!("{row:?}");
        assert!(!dump.contains(code.digits()));
        assert_eq!(format!("{code:?}"), "Code(***)");
    }

    /// O4: a code opens its own challenge, in its own issue, for its own address.
    #[test]
    fn a_code_is_bound_to_its_request() {
        let code = Code::typed("12345678");
        let row = row(&code);
        assert!(matches(&pepper(), &row, &Code::typed("1234 5678")));
        assert!(matches(&pepper(), &row, &Code::typed("1234-5678")));
        for other in [
            ChallengeRow {
                id: ChallengeId(Uuid::from_u128(2)),
                ..row.clone()
            },
            ChallengeRow {
                issue: 2,
                ..row.clone()
            },
            ChallengeRow {
                email: "eve@example.com".into(),
                ..row.clone()
            },
        ] {
            assert!(!matches(&pepper(), &other, &code));
        }
        for wrong in [
            "12345679",
            "1234567",
            "123456780",
            "",
            "１２３４５６７８",
            "12345678\n",
        ] {
            assert!(!matches(&pepper(), &row, &Code::typed(wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn a_challenge_is_over_when_it_is_used_old_or_guessed_at_too_often() {
        let row = row(&Code::typed("12345678"));
        assert_eq!(standing(&row, Timestamp(1_299_999)), Standing::Open(5));
        assert_eq!(standing(&row, Timestamp(1_300_000)), Standing::Over);
        let tried = ChallengeRow {
            attempts: 5,
            ..row.clone()
        };
        assert_eq!(standing(&tried, Timestamp(1_000_000)), Standing::Locked);
        let used = ChallengeRow {
            used_at: Some(Timestamp(1)),
            ..tried
        };
        assert_eq!(standing(&used, Timestamp(1_000_000)), Standing::Over);
    }

    #[test]
    fn the_wait_for_another_code_ends_and_a_clock_that_jumps_does_not_stretch_it() {
        let row = row(&Code::typed("12345678"));
        assert_eq!(resend_after_ms(&row, Timestamp(1_000_000)), 30_000);
        assert_eq!(resend_after_ms(&row, Timestamp(1_029_999)), 1);
        assert_eq!(resend_after_ms(&row, Timestamp(1_030_000)), 0);
        assert_eq!(resend_after_ms(&row, Timestamp(0)), 30_000);
    }
}
