//! A child's pipes, each served by a thread that tells what happens by a channel.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ChildStdin;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::ioctl_fionread;

use super::{Stdin, Stream};

/// What the threads tell.
pub(super) enum Event {
    Chunk(Stream, Vec<u8>),
    Closed,
    Exited,
    /// The pipe comes along unclosed: the child must not see an end of file.
    StdinFailed(io::Error, ChildStdin),
}

/// A pipe from outside of the thread that reads it.
pub(super) struct Pipe {
    end: OwnedFd,
    /// Held from the moment that something is read until it is sent.
    reading: Arc<Mutex<()>>,
}

impl Pipe {
    /// Whether all that was written up to now has been sent. On a busy machine the reader may not have run for a while.
    pub(super) fn is_drained(&self) -> bool {
        // A reader that panicked sends no more.
        let free = !matches!(self.reading.try_lock(), Err(std::sync::TryLockError::WouldBlock));
        free && ioctl_fionread(&self.end).unwrap_or(0) == 0
    }
}

/// Reads a pipe in a thread of its own until its end.
pub(super) fn read(
    mut pipe: impl Read + AsFd + Send + 'static,
    stream: Stream,
    events: SyncSender<Event>,
) -> io::Result<Pipe> {
    let reading = Arc::new(Mutex::new(()));
    let seen = Pipe { end: pipe.as_fd().try_clone_to_owned()?, reading: Arc::clone(&reading) };
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        let mut listened_to = true;
        loop {
            // An error comes again from the read.
            let _ = poll(&mut [PollFd::new(&pipe, PollFlags::IN)], None);
            let _reading = reading.lock();
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    listened_to = listened_to && events.send(Event::Chunk(stream, buffer[..count].to_vec())).is_ok()
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = events.send(Event::Closed);
    });
    Ok(seen)
}

/// Writes what the child is to read, in a thread of its own.
pub(super) fn feed(mut pipe: ChildStdin, stdin: Stdin, events: SyncSender<Event>) {
    thread::spawn(move || {
        let written = match stdin {
            Stdin::Null => Ok(()),
            Stdin::Bytes(bytes) => pipe.write_all(&bytes),
            Stdin::Writer(write) => write(&mut pipe),
        };
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = events.send(Event::StdinFailed(error, pipe));
            }
            _ => {}
        }
    });
}
