//! The write-ahead journal of a run: one JSON object a line, synced before what it announces happens.
//!
//! `journal/<run>.jsonl` exists while the run has not ended; then the file moves to the run's folder.
//! So whether anything is unfinished is one look into `journal/`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::ledger::{Entry, Ledger, Record};
use crate::state::store::{self, FILE_MODE};
use crate::state::{ProjectDir, StoreError};

/// Format of the lines.
pub const FORMAT: u32 = 1;

/// Crashes and write errors on demand: how tests prove that any moment may be the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The process aborts right after the record of this number is on disk.
    pub abort_after_record: Option<u64>,
    /// The write of this number (from 1, counted in this process) meets a full disk half way.
    pub fail_write_at: Option<u64>,
    /// How many writes after that one fail too.
    pub fail_writes_more: u64,
}

impl Faults {
    /// In debug builds the faults that `DOKKU_COMPOSE_FAULT` asks for, `journal-abort:N` or `journal-full:N`;
    /// in others none.
    pub fn from_env() -> Self {
        let mut faults = Self::default();
        if cfg!(debug_assertions) {
            let wish = std::env::var("DOKKU_COMPOSE_FAULT").unwrap_or_default();
            match wish.split_once(':').map(|(kind, number)| (kind, number.parse().ok())) {
                Some(("journal-abort", number)) => faults.abort_after_record = number,
                Some(("journal-full", number)) => {
                    faults.fail_write_at = number;
                    faults.fail_writes_more = u64::MAX;
                }
                _ => {}
            }
        }
        faults
    }

    fn fails(&self, write: u64) -> bool {
        self.fail_write_at.is_some_and(|first| write >= first && write - first <= self.fail_writes_more)
    }
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Bytes of whole records.
    len: u64,
    seq: u64,
    /// A write failed and what it left could not be taken back.
    broken: bool,
    writes: u64,
    ledger: Ledger,
    faults: Faults,
}

impl Journal {
    /// Makes the journal of a new run, empty. From here on the run counts as unfinished.
    pub fn create(dir: &ProjectDir, run: &str, faults: Faults) -> Result<Self, StoreError> {
        store::create_dir(&dir.journals())?;
        let path = dir.journal(run);
        let file = OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(&path);
        let file = file.map_err(StoreError::io("create", &path))?;
        store::give_to_owner_of(&dir.journals(), &file).map_err(StoreError::io("give its owner to", &path))?;
        store::sync_dir(&dir.journals())?;
        Ok(Self { file, path, len: 0, seq: 0, broken: false, writes: 0, ledger: Ledger::default(), faults })
    }

    /// Opens the journal of an earlier run to go on with it; a torn last line is cut off.
    pub fn open(dir: &ProjectDir, run: &str, faults: Faults) -> Result<Self, StoreError> {
        let path = dir.journal(run);
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        let Parsed { ledger, seq, len } = parse(&path, &bytes)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(StoreError::io("open", &path))?;
        if len < bytes.len() as u64 {
            file.set_len(len).and_then(|()| file.sync_all()).map_err(StoreError::io("write", &path))?;
        }
        Ok(Self { file, path, len, seq, broken: false, writes: 0, ledger, faults })
    }

    /// What it says so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Appends a record; on disk when this returns. After an error the journal is as before it.
    pub fn append(&mut self, entry: Entry) -> Result<(), StoreError> {
        let mut next = self.ledger.clone();
        next.step(&entry).map_err(|cause| StoreError::damaged(&self.path, cause))?;
        let record = Record { v: FORMAT, seq: self.seq + 1, at: store::now(), entry };
        let line =
            serde_json::to_string(&record).map_err(|error| StoreError::damaged(&self.path, error.to_string()))?;
        self.write(format!("{line}\n").as_bytes()).map_err(StoreError::io("write", &self.path))?;
        self.seq = record.seq;
        self.ledger = next;
        if self.faults.abort_after_record == Some(self.seq) {
            std::process::abort();
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write left it broken"));
        }
        self.writes += 1;
        let written = if self.faults.fails(self.writes) {
            self.file.write_all(&line[..line.len() / 2]).and(Err(io::ErrorKind::StorageFull.into()))
        } else {
            self.file.write_all(line).and_then(|()| self.file.sync_data())
        };
        match written {
            Ok(()) => self.len += line.len() as u64,
            // Half a line in the middle would make the journal unreadable.
            Err(_) => self.broken = self.file.set_len(self.len).is_err(),
        }
        written
    }

    /// Moves the journal to its run's folder: the run has ended. Works on a full disk.
    pub fn archive(self, dir: &ProjectDir, run: &str) -> Result<(), StoreError> {
        archive(dir, run)
    }
}

/// Moves a journal that nobody has open to its run's folder.
pub fn archive(dir: &ProjectDir, run: &str) -> Result<(), StoreError> {
    let (path, target) = (dir.journal(run), dir.run(run).join("journal.jsonl"));
    store::create_dir(&dir.run(run))?;
    fs::rename(&path, &target).map_err(StoreError::io("move", &path))?;
    store::sync_dir(&dir.run(run))?;
    store::sync_dir(&dir.journals())
}

/// What a journal file says; a torn last line is left out.
pub fn read(path: &Path) -> Result<Ledger, StoreError> {
    let bytes = fs::read(path).map_err(StoreError::io("read", path))?;
    parse(path, &bytes).map(|parsed| parsed.ledger)
}

struct Parsed {
    ledger: Ledger,
    seq: u64,
    len: u64,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Parsed, StoreError> {
    let mut parsed = Parsed { ledger: Ledger::default(), seq: 0, len: 0 };
    // What comes after the last newline was never synced whole, so nothing followed from it.
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        let number = parsed.seq + 1;
        let version = |value: &serde_json::Value| value.get("v").and_then(serde_json::Value::as_u64);
        let value = match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(value) => value,
            // A power cut may leave any bytes in the last block.
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err(StoreError::damaged(path, format!("line {number}: {error}"))),
        };
        if let Some(found) = version(&value).filter(|found| *found > u64::from(FORMAT)) {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT });
        }
        let broken = |cause: String| StoreError::damaged(path, format!("line {number}: {cause}"));
        let record: Record = serde_json::from_value(value).map_err(|error| broken(error.to_string()))?;
        if record.seq != number {
            return Err(broken(format!("it is numbered {}", record.seq)));
        }
        parsed.ledger.step(&record.entry).map_err(broken)?;
        parsed.seq = number;
        parsed.len += line.len() as u64;
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::ledger::{Header, Phase};
    use crate::site::Site;
    use crate::state::Holder;

    fn dir(world: &tempfile::TempDir) -> ProjectDir {
        ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap()
    }

    fn entries() -> Vec<Entry> {
        let by = Holder::default();
        let header = Header { project: "shop".into(), run: "r".into(), plan: "d".into(), ops: 2, by };
        vec![
            Entry::Begin(header),
            Entry::Started { op: 0 },
            Entry::Done { op: 0 },
            Entry::Started { op: 1 },
            Entry::Failed { op: 1, message: "no\nspace".into() },
            Entry::UndoStarted { op: 1 },
            Entry::Undone { op: 1 },
        ]
    }

    fn written(dir: &ProjectDir) -> Journal {
        let mut journal = Journal::create(dir, "r", Faults::default()).unwrap();
        entries().into_iter().for_each(|entry| journal.append(entry).unwrap());
        journal
    }

    #[test]
    fn cut_at_any_byte_it_reads_as_the_whole_records_before() {
        let world = tempfile::tempdir().unwrap();
        let dir = dir(&world);
        let full = written(&dir).ledger.clone();
        let bytes = fs::read(dir.journal("r")).unwrap();
        assert_eq!(read(&dir.journal("r")).unwrap(), full);
        for cut in 0..=bytes.len() {
            fs::write(dir.journal("r"), &bytes[..cut]).unwrap();
            let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            let mut expected = Ledger::default();
            entries().iter().take(whole).for_each(|entry| expected.step(entry).unwrap());
            assert_eq!(read(&dir.journal("r")).unwrap(), expected, "cut at {cut}");
            // It can be gone on with.
            let mut journal = Journal::open(&dir, "r", Faults::default()).unwrap();
            for entry in entries().into_iter().skip(whole) {
                journal.append(entry).unwrap();
            }
            assert_eq!(read(&dir.journal("r")).unwrap(), full, "cut at {cut}");
        }
    }

    #[test]
    fn garbage_at_the_end_is_dropped_and_anywhere_else_an_error() {
        let world = tempfile::tempdir().unwrap();
        let dir = dir(&world);
        let full = written(&dir).ledger.clone();
        let text = fs::read_to_string(dir.journal("r")).unwrap();
        for tail in ["\0\0\0\0", "{\"v\":1,\"se\n", "\n"] {
            fs::write(dir.journal("r"), format!("{text}{tail}")).unwrap();
            assert_eq!(Journal::open(&dir, "r", Faults::default()).unwrap().ledger, full, "{tail:?}");
            assert_eq!(fs::read_to_string(dir.journal("r")).unwrap(), text);
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let without_third = [&lines[..2], &lines[3..]].concat().concat();
        let broken_third = [&lines[..2], &["{\"v\":1,\n"], &lines[3..]].concat().concat();
        let newer = text.replacen("\"v\":1", "\"v\":2", 1);
        for (text, word) in [(without_third, "numbered"), (broken_third, "line 3"), (newer, "newer version")] {
            fs::write(dir.journal("r"), &text).unwrap();
            let error = Journal::open(&dir, "r", Faults::default()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert_eq!(fs::read_to_string(dir.journal("r")).unwrap(), text, "an unreadable journal is left alone");
        }
    }

    #[test]
    fn a_full_disk_leaves_whole_records_and_the_journal_usable() {
        for at in 1..=7 {
            let world = tempfile::tempdir().unwrap();
            let dir = dir(&world);
            let faults = Faults { fail_write_at: Some(at), ..Faults::default() };
            let mut journal = Journal::create(&dir, "r", faults).unwrap();
            for (index, entry) in entries().into_iter().enumerate() {
                let before = journal.ledger.clone();
                if journal.append(entry.clone()).is_err() {
                    assert_eq!(index as u64 + 1, at);
                    assert_eq!(read(&dir.journal("r")).unwrap(), before);
                    journal.append(entry).unwrap();
                }
            }
            assert_eq!(read(&dir.journal("r")).unwrap(), journal.ledger);
            assert_eq!(journal.ledger.phase, Phase::Undoing);
        }
    }

    #[test]
    fn an_illegal_record_is_not_written() {
        let world = tempfile::tempdir().unwrap();
        let dir = dir(&world);
        let mut journal = written(&dir);
        let text = fs::read(dir.journal("r")).unwrap();
        assert!(journal.append(Entry::Commit).unwrap_err().to_string().contains("cannot follow"));
        assert_eq!(fs::read(dir.journal("r")).unwrap(), text);
        assert!(Journal::create(&dir, "r", Faults::default()).is_err(), "a run's name is used once");
        journal.archive(&dir, "r").unwrap();
        assert!(!dir.journal("r").exists() && dir.run("r").join("journal.jsonl").exists());
    }
}
