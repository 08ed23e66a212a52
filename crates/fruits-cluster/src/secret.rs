//! The secret that driver and workers share: a worker takes tickets of those alone who know it.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use fruits::storage::digest::hex;
use fruits::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Fewest bytes: as many as SHA-256 has (RFC 2104, section 3).
const MIN_BYTES: usize = 32;
/// Most bytes: a larger file is none of a secret.
const MAX_BYTES: usize = 4096;
/// What others than the owner of a file may do with it.
const OF_OTHERS: u32 = 0o077;
/// Hexadecimal digits of a mark.
const MARK_LEN: usize = 64;

/// What driver and workers of a cluster know, and nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// The secret in a file, which holds 32 bytes or more and is its owner's alone; white space at its end does not count.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file cannot be read, [`Error::Invalid`] if others may do so, too, or if it holds too little
    /// or too much.
    pub fn read(path: &Path) -> Result<Self> {
        let fault = Error::storage("read the secret in", path);
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| {
            let mode = file.metadata()?.mode();
            let mut start = file.take(MAX_BYTES as u64 + 1);
            start.read_to_end(&mut bytes)?;
            Ok(mode)
        });
        let mode = read.map_err(fault)?;
        if mode & OF_OTHERS != 0 {
            return Err(Error::Invalid(format!(
                "others may use the secret in `{}`, whose mode is {:04o}; `chmod 600` it, and make another one if others were \
                 there",
                path.display(),
                mode & 0o7777
            )));
        }
        let secret = bytes.trim_ascii_end();
        if !(MIN_BYTES..=MAX_BYTES).contains(&secret.len()) {
            return Err(Error::Invalid(format!(
                "the secret in `{}` must have {MIN_BYTES} to {MAX_BYTES} bytes; make one with `(umask 077; head -c 32 \
                 /dev/urandom | base64 > FILE)`, and give it to driver and workers",
                path.display()
            )));
        }
        Ok(Self(secret.into()))
    }

    /// One that nobody outside this process knows.
    ///
    /// # Errors
    /// [`Error::Storage`] if the system gives no random bytes.
    pub(crate) fn of_this_process() -> Result<Self> {
        Ok(Self(Arc::new(random::<MIN_BYTES>()?)))
    }

    /// The text behind its mark, an HMAC-SHA-256 (RFC 2104) in hexadecimal.
    pub(crate) fn seal(&self, text: &str) -> Result<String> {
        let mark = self.mark(text)?.finalize().into_bytes();
        Ok(format!("{}{text}", hex(&mark)))
    }

    /// The text behind a mark that only who knows the secret can make; absent if the mark is another one.
    pub(crate) fn open<'a>(&self, sealed: &'a str) -> Result<Option<&'a str>> {
        let Some((mark, text)) = sealed.split_at_checked(MARK_LEN) else {
            return Ok(None);
        };
        let digits = mark.as_bytes().chunks_exact(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let Some(mark) = digits.map(byte).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        // In constant time: how much of a guess is right must not show.
        let is_known = self.mark(text)?.verify_slice(&mark).is_ok();
        Ok(is_known.then_some(text))
    }

    fn mark(&self, text: &str) -> Result<Hmac<Sha256>> {
        let mac = Hmac::new_from_slice(&self.0);
        let mut mac = mac.map_err(|e| Error::Internal(format!("no HMAC: {e}")))?;
        mac.update(text.as_bytes());
        Ok(mac)
    }
}

/// Bytes that nobody can guess, for secrets and for names that no other driver takes; they are in no output.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let path = "/dev/urandom";
    let mut bytes = [0; N];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(Error::storage("read", path))?;
    Ok(bytes)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn of(bytes: &[u8]) -> Secret {
        Secret(bytes.into())
    }

    #[test]
    fn a_mark_is_an_hmac_and_another_one_is_refused() {
        // RFC 4231, section 4.3.
        let sealed = of(b"Jefe").seal("what do ya want for nothing?").unwrap();
        let mark = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sealed, format!("{mark}what do ya want for nothing?"));

        let ours = of(&[7; 32]);
        let sealed = ours.seal("a ticket").unwrap();
        assert_eq!(ours.open(&sealed).unwrap(), Some("a ticket"));
        assert_eq!(of(&[8; 32]).open(&sealed).unwrap(), None);
        for at in 0..sealed.len() {
            let mut other = sealed.clone().into_bytes();
            other[at] ^= 1;
            let other = String::from_utf8(other).unwrap();
            assert_eq!(ours.open(&other).unwrap(), None, "{other}");
        }
        for bad in [
            "",
            "a ticket",
            &"0".repeat(64),
            &sealed[1..],
            &"ä".repeat(40),
        ] {
            assert_eq!(ours.open(bad).unwrap(), None, "{bad}");
        }
    }

    #[test]
    fn a_secret_is_a_file_of_32_bytes_or_more() {
        let folder = fruits::storage::temporary::folder("test").unwrap();
        let path = folder.path().join("secret");
        let text = "0123456789abcdef0123456789abcdef";
        std::fs::write(&path, format!("{text}\n")).unwrap();
        let permit = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).unwrap();
        };
        for mode in [0o644, 0o640, 0o604, 0o620, 0o601] {
            permit(mode);
            let said = Secret::read(&path).unwrap_err().to_string();
            assert!(said.contains("chmod 600"), "{mode:o}: {said}");
        }
        permit(0o400);
        assert_eq!(Secret::read(&path).unwrap(), of(text.as_bytes()));
        permit(0o600);
        assert_eq!(Secret::read(&path).unwrap(), of(text.as_bytes()));
        std::fs::write(&path, format!("{}\n\n\n", &text[1..])).unwrap();
        let said = Secret::read(&path).unwrap_err().to_string();
        assert!(
            said.contains("/dev/urandom") && said.contains("secret"),
            "{said}"
        );
        assert!(Secret::read(Path::new("/dev/zero")).is_err());
        assert!(Secret::read(&folder.path().join("none")).is_err());
        let (one, two) = (Secret::of_this_process(), Secret::of_this_process());
        assert_ne!(one.unwrap(), two.unwrap());
        assert_eq!(format!("{:?}", of(text.as_bytes())), "Secret");
    }
}
