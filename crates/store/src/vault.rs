//! The one place where secrets become unreadable at rest: AES-256-GCM under a key from a file or the environment.
//!
//! A sealed value is `version (1) ‖ key id (4) ‖ nonce (12) ‖ ciphertext`. Several keys may be known at once: the
//! first seals, all open, so a key is rotated by putting a new one in front. Used by `hub` before anything is stored.

use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(
        "the key file {path} cannot be used: expected lines of 64 hexadecimal digits, the newest first"
    )]
    KeyFile {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("key number {0} is not 64 hexadecimal digits")]
    Key(usize),
    #[error(
        "the stored secret was sealed under a key that is not here: put the old key back, below the new one"
    )]
    UnknownKey,
    #[error("the stored secret is damaged")]
    Damaged,
    #[error("the machine gave no random numbers")]
    Random,
}

/// Seals and opens secrets.
pub struct Vault {
    /// Newest first; never empty.
    keys: Vec<([u8; KEY_ID_BYTES], Aes256Gcm)>,
}

impl Vault {
    /// Keys as hexadecimal text, separated by white space, the newest first.
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        let mut keys = Vec::new();
        for (i, word) in text.split_whitespace().enumerate() {
            let bytes = hex(word).ok_or(VaultError::Key(i + 1))?;
            let digest = Sha256::digest(bytes);
            let id = [digest[0], digest[1], digest[2], digest[3]];
            keys.push((id, Aes256Gcm::new(&bytes.into())));
        }
        if keys.is_empty() {
            return Err(VaultError::Key(1));
        }
        Ok(Self { keys })
    }

    /// Reads the key file; makes one (readable by its owner only) if there is none.
    pub fn open_file(path: &Path) -> Result<Self, VaultError> {
        let wrap = |source| VaultError::KeyFile {
            path: path.display().to_string(),
            source,
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_text(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = format!("{}\n", new_key()?);
                write_private(path, &text).map_err(wrap)?;
                Self::from_text(&text)
            }
            Err(error) => Err(wrap(error)),
        }
    }

    /// What the newest key is called.
    pub fn newest(&self) -> String {
        name(self.keys[0].0)
    }

    /// Whether the key that [`Vault::newest`] once named is among these.
    pub fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(id, _)| name(*id) == key)
    }

    /// Encrypts; `purpose` is bound in, so a sealed value cannot be moved to another column or owner.
    pub fn seal(&self, purpose: &str, clear: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (id, cipher) = &self.keys[0];
        let mut nonce = [0u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::Random)?;
        let payload = Payload {
            msg: clear,
            aad: purpose.as_bytes(),
        };
        let text = cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| VaultError::Damaged)?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(VaultError::Damaged)?;
        let (id, rest) = rest
            .split_at_checked(KEY_ID_BYTES)
            .ok_or(VaultError::Damaged)?;
        let (nonce, text) = rest
            .split_at_checked(NONCE_BYTES)
            .ok_or(VaultError::Damaged)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| VaultError::Damaged)?;
        let (_, cipher) = self
            .keys
            .iter()
            .find(|(known, _)| known == id)
            .ok_or(VaultError::UnknownKey)?;
        let payload = Payload {
            msg: text,
            aad: purpose.as_bytes(),
        };
        cipher
            .decrypt(&Nonce::from(nonce), payload)
            .map_err(|_| VaultError::Damaged)
    }
}

/// A new key as 64 hexadecimal digits.
pub fn new_key() -> Result<String, VaultError> {
    use std::fmt::Write as _;
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| VaultError::Random)?;
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

fn hex(word: &str) -> Option<[u8; 32]> {
    if word.len() != 64 || !word.is_ascii() {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&word[i * 2..i * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Under another name first: a process that is killed meanwhile leaves no half of a key.
fn name(id: [u8; KEY_ID_BYTES]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let partial = path.with_extension("partial");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    // The name must last as long as what is sealed under the key.
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(directory) => std::fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_for_its_purpose_and_after_rotation() {
        let (old, new) = (new_key().expect("random"), new_key().expect("random"));
        let before = Vault::from_text(&old).expect("a key");
        let sealed = before
            .seal("endpoint 1 attributes", b"hush")
            .expect("seals");
        assert!(!sealed.windows(4).any(|w| w == b"hush"));

        let rotated = Vault::from_text(&format!("{new}\n{old}")).expect("two keys");
        assert_eq!(
            rotated
                .open("endpoint 1 attributes", &sealed)
                .expect("opens"),
            b"hush"
        );
        assert!(matches!(
            rotated.open("endpoint 2 attributes", &sealed),
            Err(VaultError::Damaged)
        ));
        let forgotten = Vault::from_text(&new).expect("a key");
        assert!(matches!(
            forgotten.open("endpoint 1 attributes", &sealed),
            Err(VaultError::UnknownKey)
        ));
    }

    #[test]
    fn damaged_bytes_are_an_error_never_a_panic() {
        let vault = Vault::from_text(&new_key().expect("random")).expect("a key");
        let sealed = vault.seal("x", b"hush").expect("seals");
        for cut in 0..sealed.len() {
            assert!(vault.open("x", &sealed[..cut]).is_err());
        }
    }
}
