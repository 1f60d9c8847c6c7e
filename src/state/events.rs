//! What happened to a project, one JSON object a line, only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use serde::{Deserialize, Serialize};

use super::project_dir::ProjectDir;
use super::store::{self, FILE_MODE, StoreError};

/// What happened. The words are stable: scripts match them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A run began.
    RunStarted,
    /// A run committed.
    RunDone,
    /// A run failed and everything is as before.
    RunRolledBack,
    /// A run failed and its undo too.
    RunStuck,
    /// An interrupted run was finished or undone.
    RunRecovered,
    /// An interrupted run was given up by the user.
    RunAbandoned,
    /// A service was created.
    ServiceCreated,
    /// A service was changed.
    ServiceChanged,
    /// A service was removed.
    ServiceRemoved,
    /// A job ended.
    JobDone,
    /// The server differs from what was applied.
    DriftFound,
    /// Something that succeeded has a flaw.
    Warning,
    /// The project was destroyed.
    ProjectDestroyed,
    /// Written by a later version of the plugin.
    #[serde(other)]
    Unknown,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Format of the line.
    pub v: u32,
    /// When, RFC 3339.
    pub at: String,
    /// What.
    pub code: Code,
    /// Run, empty outside one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// Compose service, empty for the project.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// A sentence, masked.
    pub message: String,
}

impl Event {
    /// An event of this moment.
    pub fn new(code: Code, run: &str, service: &str, message: impl Into<String>) -> Self {
        Self { v: 1, at: store::now(), code, run: run.into(), service: service.into(), message: message.into() }
    }
}

/// Appends an event and syncs it. A line that an earlier crash left torn does not swallow it.
pub fn append(dir: &ProjectDir, event: &Event) -> Result<(), StoreError> {
    let path = dir.events_file();
    store::create_dir(dir.root())?;
    let line = serde_json::to_string(event).map_err(|error| StoreError::damaged(&path, error.to_string()))?;
    let attempt = || {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(&path)?;
        store::give_to_owner_of(dir.root(), &file)?;
        let torn = if ends_whole(&mut file)? { "" } else { "\n" };
        file.write_all(format!("{torn}{line}\n").as_bytes())?;
        file.sync_data()
    };
    attempt().map_err(StoreError::io("write", &path))
}

/// The project's events, oldest first; torn lines are left out.
pub fn read(dir: &ProjectDir) -> Result<Vec<Event>, StoreError> {
    let path = dir.events_file();
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(StoreError::io("read", &path))?,
    };
    let mut events = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(StoreError::io("read", &path))?;
        events.extend(serde_json::from_slice::<Event>(&line).ok());
    }
    Ok(events)
}

fn ends_whole(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Site;

    #[test]
    fn events_outlive_a_torn_line_and_later_codes() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        assert!(read(&dir).unwrap().is_empty());
        let first = Event::new(Code::RunStarted, "r1", "", "import begins");
        let second = Event::new(Code::ServiceCreated, "r1", "web", "app shop-web");
        append(&dir, &first).unwrap();
        let mut file = OpenOptions::new().append(true).open(dir.events_file()).unwrap();
        file.write_all(br#"{"v":1,"at":"2026"#).unwrap();
        append(&dir, &second).unwrap();
        file.write_all(b"{\"v\":2,\"at\":\"x\",\"code\":\"teleported\",\"message\":\"m\"}\n").unwrap();
        let events = read(&dir).unwrap();
        assert_eq!(events[..2], [first, second]);
        assert_eq!((events.len(), events[2].code), (3, Code::Unknown));
        let text = std::fs::read_to_string(dir.events_file()).unwrap();
        assert!(text.contains(r#""code":"run-started""#));
    }
}
