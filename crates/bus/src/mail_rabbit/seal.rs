//! A job as it lies in the broker: sealed with a key that the broker never has. Whoever reads a queue or a disk of the
//! broker learns ids and sizes, no address and no code; whoever writes to a queue cannot make us send a mail.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use protocol::mail_job::MailJob;

/// Seals and opens jobs. AES-256-GCM with a random nonce: good for 2³² jobs under one key.
pub(crate) struct Sealer(RandomizedNonceKey);

/// A job that does not open: sealed with another key, changed on its way, or not one of ours.
#[derive(Debug)]
pub(crate) struct NotOurs;

impl Sealer {
    /// A key of its own, made from the cluster's. `None` when the crypto library refuses, which it never did.
    pub(crate) fn new(cluster_key: &[u8; 32]) -> Option<Self> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, cluster_key);
        let key = hmac::sign(&root, b"chatify bus: mail jobs");
        RandomizedNonceKey::new(&AES_256_GCM, key.as_ref())
            .ok()
            .map(Self)
    }

    /// A job as bytes that open only under its id.
    pub(crate) fn seal(&self, job: &MailJob) -> Option<Vec<u8>> {
        let mut sealed = serde_json::to_vec(job).ok()?;
        let name = Aad::from(job.id.as_bytes());
        let nonce = self.0.seal_in_place_append_tag(name, &mut sealed).ok()?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut sealed);
        Some(out)
    }

    /// The job that was sealed under this id.
    pub(crate) fn open(&self, id: &str, sealed: &[u8]) -> Result<MailJob, NotOurs> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(NotOurs)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOurs)?;
        let mut bytes = sealed.to_vec();
        let clear = self
            .0
            .open_in_place(nonce, Aad::from(id.as_bytes()), &mut bytes)
            .map_err(|_| NotOurs)?;
        let job: MailJob = serde_json::from_slice(clear).map_err(|_| NotOurs)?;
        if job.id == id { Ok(job) } else { Err(NotOurs) }
    }
}

#[cfg(test)]
mod tests {
    use protocol::mail_job::Mail;
    use protocol::time::Timestamp;

    use super::*;

    #[test]
    fn a_job_opens_under_its_id_and_key_alone_and_shows_nothing() {
        let job = MailJob {
            id: "j1".into(),
            to: "ada@example.com".parse().unwrap(),
            mail: Mail::Code {
                code: "12345678".into(),
                asked_from: None,
            },
            made_at: Timestamp(0),
            expires_at: Timestamp(1),
        };
        let sealer = Sealer::new(&[1; 32]).unwrap();
        let sealed = sealer.seal(&job).unwrap();
        for secret in ["12345678", "ada", "example"] {
            let shown = sealed
                .windows(secret.len())
                .any(|at| at == secret.as_bytes());
            assert!(!shown, "{secret}");
        }
        assert_eq!(sealer.open("j1", &sealed).unwrap(), job);
        assert!(sealer.open("j2", &sealed).is_err());
        assert!(Sealer::new(&[2; 32]).unwrap().open("j1", &sealed).is_err());
        assert!(sealer.open("j1", b"").is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open("j1", &changed).is_err());
        }
    }
}
