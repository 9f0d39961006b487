//! Small durable facts: requests for a code, pending mails, answers kept for idempotency keys, signing keys.

use protocol::ids::ChallengeId;
use protocol::time::Timestamp;

use crate::Answer;

/// A request for a code by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeRow {
    /// Its id.
    pub id: ChallengeId,
    /// The normalised address.
    pub email: String,
    /// SHA-256 of the secret that its asker holds.
    pub secret_hash: [u8; 32],
    /// HMAC of the code in force.
    pub code_mac: [u8; 32],
    /// How many codes were sent for it; the first is 1.
    pub issue: u32,
    /// Wrong or right, every guess counts before it is compared; of the code in force.
    pub attempts: u32,
    /// When the code in force was made.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used: at most once.
    pub used_at: Option<Timestamp>,
    /// What became of the mail.
    pub mail: MailState,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// Handed to the queue, or waiting to be.
    Queued,
    /// An SMTP server or the dev mailbox took it.
    Sent,
    /// It was refused for good.
    Failed,
}

/// A mail that must reach the queue, kept until the queue has confirmed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailJobRow {
    /// The job's id, which is its Message-ID too.
    pub id: String,
    /// The job, in JSON.
    pub job: String,
    /// When it makes no sense any more.
    pub expires_at: Timestamp,
}

/// An answer kept for a repeated request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Fingerprint of the request.
    pub digest: [u8; 32],
    /// HTTP status; 0 while the first request is under way.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// A signing key, wrapped by its owner (the store never sees the clear key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The key's name in token headers.
    pub kid: String,
    /// The private key, sealed.
    pub sealed: Vec<u8>,
    /// The public key.
    pub public: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// No token that it signed is valid after this; `None` while it signs.
    pub retires_at: Option<Timestamp>,
}

/// One-time facts and small records.
pub trait Facts {
    /// Keeps a new challenge together with its pending mail.
    fn create_challenge(&self, challenge: ChallengeRow, mail: MailJobRow) -> Answer<'_, ()>;

    /// A challenge; `NotFound` once it is forgotten.
    fn challenge(&self, id: ChallengeId) -> Answer<'_, ChallengeRow>;

    /// Gives a challenge a new code, if `issue` is still its issue; the old code is void. Attempts start at 0.
    fn reissue_challenge(&self, next: ChallengeRow, issue: u32, mail: MailJobRow)
    -> Answer<'_, ()>;

    /// Counts a guess before it is compared: `Conflict` when `most` were counted already, it is used, or another code is in force.
    /// Returns the row with the guess counted.
    fn count_guess(&self, id: ChallengeId, issue: u32, most: u32) -> Answer<'_, ChallengeRow>;

    /// Marks a challenge as used: `Ok` for exactly one caller, `Conflict` for all others.
    fn use_challenge(&self, id: ChallengeId, at: Timestamp) -> Answer<'_, ()>;

    /// Says what became of a challenge's mail (by the job's id); `Ok` also if nobody waits for the news any more.
    /// `Sent` and `Failed` end the pending mail too.
    fn mail_done(&self, job: String, state: MailState) -> Answer<'_, ()>;

    /// Mails that no queue has confirmed, oldest first.
    fn pending_mails(&self, limit: usize) -> Answer<'_, Vec<MailJobRow>>;

    /// The queue has confirmed this mail.
    fn mail_queued(&self, job: String) -> Answer<'_, ()>;

    /// Claims an idempotency key: `None` for the one who may go ahead, the kept answer for all others.
    /// A claim that nobody answered for 60 s lapses (its process has died): the next one may go ahead.
    fn claim_key(
        &self,
        scope: String,
        key: String,
        digest: [u8; 32],
        at: Timestamp,
    ) -> Answer<'_, Option<KeptAnswer>>;

    /// Keeps the answer under a claimed key until 24 h after the claim; status 0 gives the key back.
    /// `NotFound` when the key is not claimed.
    fn keep_answer(&self, scope: String, key: String, answer: KeptAnswer) -> Answer<'_, ()>;

    /// All signing keys, newest first.
    fn keys(&self) -> Answer<'_, Vec<KeyRow>>;

    /// Keeps a key or changes its retirement. A kid is never reused.
    fn put_key(&self, key: KeyRow) -> Answer<'_, ()>;

    /// A small secret of the deployment (OTP pepper, cursor key), made by `fresh` if there is none yet; one winner.
    fn secret(&self, name: String, fresh: Vec<u8>) -> Answer<'_, Vec<u8>>;

    /// Forgets what has expired (challenges a day old, kept answers, mails, revoked sessions past their tokens' life, notes
    /// of the audit log that are 396 days old).
    /// Returns how many rows went.
    fn sweep(&self, now: Timestamp) -> Answer<'_, u64>;
}
