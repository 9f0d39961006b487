//! Everything secret that auth makes or keeps: the root secret and what is derived from it, sealing, random numbers.
//!
//! One root secret, outside of the store; each use has a key of its own, so that no two can be played against each other.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::mail_job::EmailAddress;
use service::secret::Secret;
use zeroize::Zeroizing;

/// The shortest root secret, in characters.
const SECRET_CHARS_MIN: usize = 32;

/// Why auth cannot work with its secrets; for the operator, and without any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError(pub String);

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SecretError {}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| SecretError("no random numbers can be had".to_owned()))?;
    Ok(bytes)
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    to_32(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// HMAC-SHA-256 over parts, each with its length in front, so that no two lists of parts are the same text.
pub(crate) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    to_32(context.sign().as_ref())
}

/// Whether two digests are the same, in a time that does not tell where they differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

fn to_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

/// The keys that auth works with, all made from one root secret.
pub(crate) struct Secrets {
    /// Of stored codes.
    pub(crate) pepper: hmac::Key,
    /// Of the chain of refresh tokens.
    pub(crate) refresh: hmac::Key,
    /// Of addresses in logs.
    addresses: hmac::Key,
    /// Of what lies sealed in the store.
    sealing: Zeroizing<[u8; 32]>,
}

impl Secrets {
    /// Derives all keys.
    pub(crate) fn new(root: &[u8], pepper: Option<&Secret>) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, root);
        let derived = |purpose: &str| mac(&root, &[b"chatify auth", purpose.as_bytes()]);
        let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Self {
            pepper: match pepper {
                Some(pepper) => key(pepper.expose().as_bytes()),
                None => key(&derived("otp pepper")),
            },
            refresh: key(&derived("refresh chain")),
            addresses: key(&derived("addresses in logs")),
            sealing: Zeroizing::new(derived("sealing")),
        }
    }

    /// What logs call an address: the same each time, and not the address.
    pub(crate) fn name_in_logs(&self, address: &EmailAddress) -> String {
        let mac = mac(&self.addresses, &[address.as_str().as_bytes()]);
        mac[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How claims name the mailbox of an address: `me+shop@host` is `me@host`.
    pub(crate) fn name_of_mailbox(&self, address: &EmailAddress) -> String {
        let mac = mac(&self.addresses, &[b"mailbox", address.mailbox().as_bytes()]);
        mac.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seals bytes under a name; only the same name opens them again.
    pub(crate) fn seal(&self, name: &str, clear: &[u8]) -> Result<Vec<u8>, SecretError> {
        let failed = |_| SecretError("sealing failed".to_owned());
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.sealing.as_ref()).map_err(failed)?;
        let mut sealed = clear.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .map_err(failed)?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut sealed);
        Ok(out)
    }

    /// Opens what was sealed under this name with this root secret.
    pub(crate) fn open(
        &self,
        name: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let failed = || SecretError(format!("{name} cannot be opened with this key secret"));
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let key =
            RandomizedNonceKey::new(&AES_256_GCM, self.sealing.as_ref()).map_err(|_| failed())?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let length = key
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut bytes)
            .map_err(|_| failed())?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(***)")
    }
}

/// The root secret: as configured, or from `auth.key` in the data folder, which is made when it is missing.
pub(crate) fn root(
    configured: Option<&Secret>,
    data: Option<&Path>,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    if let Some(secret) = configured {
        if secret.expose().chars().count() < SECRET_CHARS_MIN {
            return Err(SecretError(format!(
                "auth.key-secret is too short: at least {SECRET_CHARS_MIN} characters, for example from `openssl rand -base64 32`"
            )));
        }
        return Ok(Zeroizing::new(secret.expose().as_bytes().to_vec()));
    }
    let folder = data.ok_or_else(|| {
        SecretError(
            "auth.key-secret is not set, and every process of a cluster needs the same one"
                .to_owned(),
        )
    })?;
    let path = folder.join("auth.key");
    let told = |error: io::Error| SecretError(format!("{}: {error}", path.display()));
    match fs::symlink_metadata(&path) {
        Ok(found) => read_key_file(&path, &found).map_err(told),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_key_file(&path),
        Err(error) => Err(told(error)),
    }
}

fn read_key_file(path: &Path, found: &fs::Metadata) -> io::Result<Zeroizing<Vec<u8>>> {
    let wrong = |why: &str| io::Error::other(why.to_owned());
    if !found.is_file() {
        return Err(wrong("must be a plain file"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(wrong(
            "can be read by others than its owner; run chmod 600 on it",
        ));
    }
    let text = Zeroizing::new(fs::read_to_string(path)?);
    if text.trim().len() < SECRET_CHARS_MIN {
        return Err(wrong("is too short to be a key; restore it from a backup"));
    }
    Ok(Zeroizing::new(text.trim().as_bytes().to_vec()))
}

/// Made whole under another name first: a crash leaves no half key behind, and of two processes one wins.
fn make_key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let key = Zeroizing::new(URL_SAFE_NO_PAD.encode(random::<32>()?));
    let suffix = URL_SAFE_NO_PAD.encode(random::<6>()?);
    let draft = path.with_extension(format!("key.{suffix}"));
    let made = || -> io::Result<Zeroizing<Vec<u8>>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(key.as_bytes())?;
        file.sync_all()?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft)?;
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        read_key_file(path, &fs::symlink_metadata(path)?)
    };
    made().map_err(|error| SecretError(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_sealed_opens_under_its_name_and_root_alone() {
        let secrets = Secrets::new(&[1; 32], None);
        let sealed = secrets.seal("key k1", b"seed").unwrap();
        assert_ne!(
            sealed,
            secrets.seal("key k1", b"seed").unwrap(),
            "a nonce of its own each time"
        );
        assert!(!sealed.windows(4).any(|window| window == b"seed"));
        assert_eq!(secrets.open("key k1", &sealed).unwrap().as_slice(), b"seed");
        assert!(secrets.open("key k2", &sealed).is_err());
        assert!(
            Secrets::new(&[2; 32], None)
                .open("key k1", &sealed)
                .is_err()
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(secrets.open("key k1", &changed).is_err());
        }
        assert!(secrets.open("key k1", &[]).is_err());
    }

    #[test]
    fn the_key_file_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = root(None, Some(&data)).unwrap();
        assert_eq!(root(None, Some(&data)).unwrap(), first);
        let path = data.join("auth.key");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "no draft is left");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(root(None, Some(&data)).unwrap_err().0.contains("chmod 600"));
    }

    #[test]
    fn a_broken_or_missing_secret_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.key");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        assert!(
            root(None, Some(folder.path()))
                .unwrap_err()
                .0
                .contains("too short")
        );
        assert!(root(None, None).unwrap_err().0.contains("auth.key-secret"));
        let short = Secret::new("short".into());
        let error = root(Some(&short), None).unwrap_err().0;
        assert!(
            error.contains("too short") && !error.contains("`short`"),
            "{error}"
        );
    }

    #[test]
    fn an_address_has_one_name_in_logs_and_it_is_not_the_address() {
        let secrets = Secrets::new(&[1; 32], None);
        let address: EmailAddress = "ada@example.com".parse().unwrap();
        let name = secrets.name_in_logs(&address);
        assert_eq!(name, secrets.name_in_logs(&address));
        assert_ne!(name, Secrets::new(&[2; 32], None).name_in_logs(&address));
        assert!(name.len() == 12 && !name.contains("ada"));
        assert_eq!(format!("{secrets:?}"), "Secrets(***)");
    }
}
