//! One run a project: an advisory lock that the kernel frees, and a note of who holds it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::thread;
use std::time::{Duration, Instant};

use super::holder::Holder;
use super::project_dir::ProjectDir;
use super::store::{self, FILE_MODE, StoreError};

const POLL: Duration = Duration::from_millis(50);

/// The right to change a project; freed when dropped, and by the kernel when the process ends.
#[derive(Debug)]
pub struct Lock {
    // Holds the lock as long as it is open.
    _file: File,
    dir: ProjectDir,
    holder: Holder,
}

/// Why a lock was not got.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("another run works on {project}{}", holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default())]
    Busy {
        /// Project.
        project: String,
        /// Who; `None` in the moment before it has written its name.
        holder: Option<Box<Holder>>,
    },
    /// The wait was cancelled.
    #[error("cancelled while waiting for another run")]
    Cancelled,
    /// The folder cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Lock {
    /// Locks a project, waiting at most `wait`; makes its folder where there is none and removes what
    /// interrupted writes left. `env` is the process's environment, for the note; `cancelled` ends the wait.
    pub fn acquire(
        dir: &ProjectDir,
        command: &str,
        env: &BTreeMap<String, String>,
        wait: Duration,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Self, LockError> {
        let until = Instant::now() + wait;
        loop {
            if let Some(file) = try_lock(dir)? {
                dir.sweep()?;
                let lock = Self { _file: file, dir: dir.clone(), holder: Holder::current(command, env) };
                store::write_json(&dir.lock_info_file(), &lock.holder)?;
                return Ok(lock);
            }
            if cancelled() {
                return Err(LockError::Cancelled);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LockError::Busy { project: dir.project().to_owned(), holder: holder(dir).map(Box::new) });
            }
            thread::sleep(left.min(POLL));
        }
    }

    /// The locked folder.
    pub fn dir(&self) -> &ProjectDir {
        &self.dir
    }

    /// This process, as others see it.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While still locked, so that it is not the next holder's note; and not that of a project of the
        // same name which took the place of this one. A note that stays is of a dead process.
        let noted: Result<Option<Holder>, _> = store::read_json(&self.dir.lock_info_file());
        if noted.is_ok_and(|noted| noted.as_ref() == Some(&self.holder)) {
            let _ = store::remove_file(&self.dir.lock_info_file());
        }
    }
}

/// Who works on the project, as far as its note tells; a note that a dead process left is nobody's.
pub fn holder(dir: &ProjectDir) -> Option<Holder> {
    store::read_json::<Holder>(&dir.lock_info_file()).ok().flatten().filter(Holder::is_alive)
}

fn try_lock(dir: &ProjectDir) -> Result<Option<File>, StoreError> {
    let path = dir.lock_file();
    loop {
        store::create_dir(dir.root())?;
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
        let file = match opened {
            // Its folder was removed since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(StoreError::io("open", &path))?,
        };
        store::give_to_owner_of(dir.root(), &file).map_err(StoreError::io("give its owner to", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
        }
        // The project may have been removed between opening and locking: then this lock guards nothing.
        let inode = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let ours = file.metadata().map(inode).map_err(StoreError::io("read", &path))?;
        if std::fs::metadata(&path).map(inode).ok() == Some(ours) {
            return Ok(Some(file));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Site;

    fn lock(dir: &ProjectDir, wait: u64) -> Result<Lock, LockError> {
        Lock::acquire(dir, "compose:import", &BTreeMap::new(), Duration::from_millis(wait), &|| false)
    }

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        let first = lock(&dir, 0).unwrap();
        let Err(LockError::Busy { holder: Some(holder), .. }) = lock(&dir, 60) else { panic!("not busy") };
        assert_eq!(&*holder, first.holder());
        assert_eq!(holder.pid, std::process::id());
        drop(first);
        assert!(holder_is_gone(&dir));
        lock(&dir, 0).unwrap();
    }

    fn holder_is_gone(dir: &ProjectDir) -> bool {
        holder(dir).is_none() && !dir.lock_info_file().exists()
    }

    #[test]
    fn a_waiter_gets_the_lock_when_it_is_freed() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        let first = lock(&dir, 0).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| lock(&dir, 10_000).map(|lock| lock.holder().pid));
            thread::sleep(Duration::from_millis(120));
            drop(first);
            assert_eq!(waiter.join().unwrap().unwrap(), std::process::id());
        });
    }

    #[test]
    fn a_wait_can_be_cancelled() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        let _first = lock(&dir, 0).unwrap();
        let second = Lock::acquire(&dir, "x", &BTreeMap::new(), Duration::from_secs(60), &|| true);
        assert!(matches!(second, Err(LockError::Cancelled)));
    }

    #[test]
    fn a_dead_processes_note_is_nobodys() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        let first = lock(&dir, 0).unwrap();
        let dead = Holder { birth: "another boot:1".into(), ..first.holder().clone() };
        store::write_json(&dir.lock_info_file(), &dead).unwrap();
        let Err(LockError::Busy { holder, .. }) = lock(&dir, 0) else { panic!("not busy") };
        assert_eq!(holder, None);
    }

    #[test]
    fn a_lock_in_a_removed_folder_is_not_enough() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        let old = lock(&dir, 0).unwrap();
        dir.remove().unwrap();
        let new = lock(&dir, 0).unwrap();
        store::write_json(&dir.lock_info_file(), &Holder { who: "another".into(), ..new.holder().clone() }).unwrap();
        drop(old);
        assert!(dir.lock_file().exists() && holder(&dir).is_some());
        assert!(matches!(lock(&dir, 0), Err(LockError::Busy { .. })));
        drop(new);
    }
}
