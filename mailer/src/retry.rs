//! What to do after an attempt to send. Pure: the time is an argument.

use std::time::Duration;

use protocol::mail_job::MailJob;
use protocol::time::Timestamp;

use crate::outlet::Attempt;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait: a greylisting server lets go after a minute or so, and a code lives for five.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What to do with a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It was sent.
    Done,
    /// Try again after this time.
    Again(Duration),
    /// Nobody will ever take it, or not in time.
    GiveUp(String),
}

/// Whether it makes sense to send at all: a code that has ended only confuses.
pub(crate) fn is_over(job: &MailJob, now: Timestamp) -> bool {
    now >= job.expires_at
}

/// What to do after an attempt; `attempts` were made before it.
pub(crate) fn decide(attempt: Attempt, attempts: u32, now: Timestamp, job: &MailJob) -> Decision {
    match attempt {
        Attempt::Sent => Decision::Done,
        Attempt::Refused(why) => Decision::GiveUp(why),
        Attempt::Later(why) => {
            let wait = FIRST_WAIT
                .saturating_mul(1 << attempts.min(10))
                .min(LONGEST_WAIT);
            let then = now.plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            if is_over(job, then) {
                Decision::GiveUp(format!("not sent in time: {why}"))
            } else {
                Decision::Again(wait)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::mail_job::Mail;

    use super::*;

    fn job() -> MailJob {
        MailJob {
            id: "j".into(),
            to: "ada@example.com".parse().unwrap(),
            mail: Mail::Test,
            made_at: Timestamp(0),
            expires_at: Timestamp(300_000),
        }
    }

    fn later(attempts: u32, now: i64) -> Decision {
        decide(
            Attempt::Later("451".into()),
            attempts,
            Timestamp(now),
            &job(),
        )
    }

    #[test]
    fn waits_grow_and_end_with_the_code() {
        let waits: Vec<_> = (0..8).map(|attempts| later(attempts, 0)).collect();
        let seconds = [1, 2, 4, 8, 16, 32, 60, 60];
        assert_eq!(
            waits,
            seconds.map(|s| Decision::Again(Duration::from_secs(s)))
        );
        assert_eq!(later(u32::MAX, 0), Decision::Again(LONGEST_WAIT));
        assert_eq!(later(0, 298_999), Decision::Again(FIRST_WAIT));
        assert_eq!(
            later(0, 299_000),
            Decision::GiveUp("not sent in time: 451".into())
        );
    }

    #[test]
    fn a_refusal_for_good_is_not_tried_again() {
        let refused = Attempt::Refused("550".into());
        assert_eq!(
            decide(refused, 0, Timestamp(0), &job()),
            Decision::GiveUp("550".into())
        );
        assert_eq!(
            decide(Attempt::Sent, 3, Timestamp(0), &job()),
            Decision::Done
        );
    }

    #[test]
    fn what_has_ended_is_not_sent() {
        assert!(!is_over(&job(), Timestamp(299_999)));
        assert!(is_over(&job(), Timestamp(300_000)));
    }
}
