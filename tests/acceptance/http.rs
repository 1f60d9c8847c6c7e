//! What a published port answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// An answer: status, whether Dokku's nginx gave it, body.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub proxied: bool,
    pub body: String,
}

/// `GET /` with a `Host`, once.
///
/// # Errors
/// Of the connection.
pub fn get(address: SocketAddr, host: &str) -> std::io::Result<Answer> {
    let limit = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let text = String::from_utf8_lossy(&all);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Ok(Answer {
        status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0),
        proxied: head.to_lowercase().contains("\nserver: nginx"),
        body: body.to_owned(),
    })
}

/// Asks until `wanted` says yes, for at most ten seconds: nginx reloads behind the back of the command that asked for it.
///
/// # Errors
/// The last answer, in words.
pub fn get_until(address: SocketAddr, host: &str, wanted: impl Fn(&Answer) -> bool) -> Result<Answer, String> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = get(address, host);
        match answer {
            Ok(answer) if wanted(&answer) => return Ok(answer),
            other if Instant::now() > end => {
                return Err(match other {
                    Ok(answer) => format!("status {}, {:.120}", answer.status, answer.body.trim()),
                    Err(error) => error.to_string(),
                });
            }
            _ => std::thread::sleep(Duration::from_millis(250)),
        }
    }
}

/// Whether a datagram comes back.
///
/// # Errors
/// Why not.
pub fn echo(address: SocketAddr) -> Result<(), String> {
    let ask = || -> std::io::Result<bool> {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.send_to(b"acceptance", address)?;
        let mut buffer = [0; 64];
        let (length, _) = socket.recv_from(&mut buffer)?;
        Ok(&buffer[..length] == b"acceptance")
    };
    for _ in 0..3 {
        if let Ok(true) = ask() {
            return Ok(());
        }
    }
    Err("no datagram comes back".into())
}
