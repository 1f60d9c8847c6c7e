//! The server's digest key: random, made once, never leaves the server.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use super::store::{self, FILE_MODE, StoreError};
use crate::secret::DigestKey;
use crate::site::Site;

const BYTES: usize = 32;

/// The key, `None` before anything was ever imported here.
pub fn read_digest_key(site: &Site) -> Result<Option<DigestKey>, StoreError> {
    let path = site.data().join("digest.key");
    let Some(bytes) = store::read(&path)? else {
        return Ok(None);
    };
    match <[u8; BYTES]>::try_from(bytes) {
        Ok(key) => Ok(Some(DigestKey(key))),
        Err(bytes) => {
            let cause = format!("it has {} bytes, a key has {BYTES}", bytes.len());
            Err(StoreError::damaged(&path, cause))
        }
    }
}

/// A key for one process, for a dry run on a server that has none yet.
pub fn random_digest_key() -> Result<DigestKey, StoreError> {
    Ok(DigestKey(store::random_bytes()?))
}

/// The key, made where there is none. Of several processes that make it at once one wins and
/// all get its key.
pub fn create_digest_key(site: &Site) -> Result<DigestKey, StoreError> {
    if let Some(key) = read_digest_key(site)? {
        return Ok(key);
    }
    let folder = site.data();
    let path = folder.join("digest.key");
    store::create_dir(&folder)?;
    let fresh = random_digest_key()?;
    let attempt = || {
        let mut temporary = tempfile::Builder::new()
            .prefix(".tmp-")
            .permissions(fs::Permissions::from_mode(FILE_MODE))
            .tempfile_in(&folder)?;
        temporary.write_all(&fresh.0)?;
        store::give_to_owner_of(&folder, temporary.as_file())?;
        temporary.as_file().sync_all()?;
        match temporary.persist_noclobber(&path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
            _ => Ok(()),
        }
    };
    attempt().map_err(StoreError::io("write", &path))?;
    store::sync_dir(&folder)?;
    read_digest_key(site)?.ok_or_else(|| StoreError::damaged(&path, "it vanished"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn racing_processes_get_one_private_key() {
        let world = tempfile::tempdir().unwrap();
        let site = Site::sandbox(world.path().to_owned());
        assert!(read_digest_key(&site).unwrap().is_none());
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| create_digest_key(&site).unwrap().0)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0] && *key != [0; 32]));
        let file = site.data().join("digest.key");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(site.data()).unwrap().count(), 1);
    }

    #[test]
    fn a_short_key_is_an_error() {
        let world = tempfile::tempdir().unwrap();
        let site = Site::sandbox(world.path().to_owned());
        store::create_dir(&site.data()).unwrap();
        store::write_bytes(&site.data().join("digest.key"), b"short").unwrap();
        assert!(create_digest_key(&site).err().unwrap().to_string().contains("5 bytes"));
    }
}
