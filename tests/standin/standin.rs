//! Stands in for the programs of real images: listens where they would, and tells over HTTP what
//! it sees of its container. Compiled on its own, with the standard library only.
//!
//! Called as
//! - `standin [serve]`: listens on every port of `STANDIN_PORTS` (`5432 8080 53/udp`) until it is
//!   told to end; so does a command that the image does not have, as in `postgres -c max_connections=9`;
//! - `standin COMMAND...` that the image has: becomes it, as entry points of real images do;
//! - `standin check [HOST:]PORT`: exit code 0 if it accepts a connection within 2 s, else 1;
//! - `standin probe HOST[:PORT]...`: a line each, `HOST[:PORT] ok` or `HOST[:PORT] failed: WHY`;
//! - `standin exit N`: ends with code N at once; `standin sleep [SECONDS]`: does nothing;
//! - `curl`, `nc`, `pg_isready`, `redis-cli` ... by a link of that name: what health checks need of them.
//!
//! Paths: `/` `/health[?fail=1|0]` (any that has `health` in it) `/env` `/argv` `/hostname` `/mounts` `/limits` `/resolve?name=`
//! `/connect?host=&port=` `/files?path=` (POST writes) `/exit?code=`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const FILE_LIMIT: u64 = 64 * 1024;
static FAILING: AtomicBool = AtomicBool::new(false);

fn main() {
    let mut args: Vec<String> = env::args().collect();
    let name = args
        .remove(0)
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    match name.as_str() {
        "standin" => {}
        "curl" => exit(curl(&args)),
        "nc" => exit(nc(&args)),
        // Clients of datastores: whether the datastore of this container answers.
        _ => {
            exit(i32::from(!ports().iter().all(|(port, udp)| {
                *udp || accepts(&format!("127.0.0.1:{port}"))
            })))
        }
    }
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit", code] => exit(code.parse().unwrap_or(2)),
        ["check", place] => {
            let place = if place.contains(':') {
                (*place).to_owned()
            } else {
                format!("127.0.0.1:{place}")
            };
            exit(i32::from(!accepts(&place)))
        }
        ["probe", places @ ..] => {
            for place in places {
                println!("{place} {}", probe(place));
            }
        }
        ["sleep"] | ["sleep", _] => {
            as_child(&args);
            let seconds = args.get(1).and_then(|seconds| seconds.parse().ok());
            thread::sleep(seconds.map_or(Duration::MAX, Duration::from_secs_f64));
        }
        ["serve", ..] | [] => serve(&args),
        [command, rest @ ..] if found(command) => {
            let error = Command::new(command).args(rest).exec();
            eprintln!("standin: {command}: {error}");
            exit(126);
        }
        _ => serve(&args),
    }
}

/// Whether the image has such a program.
fn found(command: &str) -> bool {
    if command.contains('/') {
        return Path::new(command).exists();
    }
    env::var("PATH")
        .unwrap_or_default()
        .split(':')
        .any(|dir| Path::new(dir).join(command).exists())
}

/// The first process of a container is not ended by signals that it does not handle: it becomes a
/// shell that passes them on to a second one, and that one goes on here.
fn as_child(args: &[String]) {
    const SHELL: &str = r#"trap 'kill -TERM $p 2>/dev/null' TERM INT QUIT
"$0" "$@" & p=$!
wait $p; code=$?
while kill -0 $p 2>/dev/null; do wait $p; code=$?; done
exit $code"#;
    if std::process::id() == 1 && Path::new("/bin/busybox").exists() {
        let error = Command::new("/bin/busybox")
            .args(["sh", "-c", SHELL, "/standin"])
            .args(args)
            .exec();
        eprintln!("standin: cannot start the shell: {error}");
    }
}

/// Ports of `STANDIN_PORTS`, and whether they are UDP.
fn ports() -> Vec<(u16, bool)> {
    let text = env::var("STANDIN_PORTS").unwrap_or_default();
    let word = |word: &str| {
        let (port, udp) = word
            .strip_suffix("/udp")
            .map_or((word.trim_end_matches("/tcp"), false), |port| (port, true));
        Some((port.parse().ok()?, udp))
    };
    text.split([' ', ',']).filter_map(word).collect()
}

fn serve(args: &[String]) {
    as_child(args);
    let mut threads = Vec::new();
    for (port, udp) in ports() {
        println!(
            "standin: listening on {port}{}",
            if udp { "/udp" } else { "" }
        );
        threads.push(thread::spawn(move || {
            if udp {
                listen_udp(port)
            } else {
                listen_tcp(port)
            }
        }));
    }
    if threads.is_empty() {
        println!("standin: no ports, waiting");
        threads.push(thread::spawn(|| thread::sleep(Duration::MAX)));
    }
    for listener in threads {
        if listener.join().is_err() {
            exit(1);
        }
    }
}

fn listen_udp(port: u16) {
    let socket = UdpSocket::bind(("0.0.0.0", port)).expect("bind");
    let mut buffer = [0; 2048];
    while let Ok((count, from)) = socket.recv_from(&mut buffer) {
        let _ = socket.send_to(&buffer[..count], from);
    }
}

fn listen_tcp(port: u16) {
    // Both families where there is IPv6.
    let listener = TcpListener::bind(("::", port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)))
        .expect("bind");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || answer(stream));
    }
}

/// Answers one HTTP request; anything else is read and dropped.
fn answer(mut stream: TcpStream) -> Option<()> {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    if !words.next()?.starts_with("HTTP/") {
        return None;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect();
    let port = stream.local_addr().ok()?.port();
    let (status, kind, text) = page(port, &method, path, &query, &body);
    let reason = if status == 200 { "OK" } else { "Error" };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&text).ok()
}

fn page(
    port: u16,
    method: &str,
    path: &str,
    query: &BTreeMap<String, String>,
    body: &[u8],
) -> (u16, &'static str, Vec<u8>) {
    const JSON: &str = "application/json";
    const TEXT: &str = "text/plain";
    let asked = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let json = |text: String| (200, JSON, text.into_bytes());
    match path {
        "/" => (
            200,
            TEXT,
            format!(
                "standin {} on {} port {port}\n",
                env::var("STANDIN_NAME").unwrap_or_default(),
                hostname()
            )
            .into_bytes(),
        ),
        // Real images have it in many places: `/_cluster/health`, `/health-check`.
        path if path.contains("health") => {
            match asked("fail") {
                "" => {}
                wish => FAILING.store(wish != "0", Ordering::Relaxed),
            }
            if FAILING.load(Ordering::Relaxed) {
                (500, TEXT, b"failing\n".into())
            } else {
                (200, TEXT, b"ok\n".into())
            }
        }
        "/env" => json(object(environment())),
        "/argv" => json(array(env::args().map(|arg| quoted(&arg)))),
        "/hostname" => (200, TEXT, format!("{}\n", hostname()).into_bytes()),
        "/mounts" => json(array(mounts())),
        "/limits" => json(object(limits())),
        "/resolve" => {
            let addresses = (asked("name"), 0).to_socket_addrs().map(|found| {
                found
                    .map(|address| address.ip().to_string())
                    .collect::<Vec<_>>()
            });
            let mut addresses = addresses.unwrap_or_default();
            addresses.sort();
            addresses.dedup();
            json(array(addresses.iter().map(|address| quoted(address))))
        }
        "/connect" => {
            let place = format!("{}:{}", asked("host"), asked("port"));
            let (reached, why) = match connect(&place) {
                Ok(_) => (true, String::new()),
                Err(why) => (false, why),
            };
            json(object([
                ("connected".to_owned(), reached.to_string()),
                ("error".to_owned(), quoted(&why)),
            ]))
        }
        "/files" if method == "POST" => match fs::write(asked("path"), body) {
            Ok(()) => (200, TEXT, b"written\n".into()),
            Err(error) => (500, TEXT, format!("{error}\n").into_bytes()),
        },
        "/files" => {
            let mut content = Vec::new();
            match fs::File::open(asked("path"))
                .and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut content))
            {
                Ok(_) => (200, "application/octet-stream", content),
                Err(error) => (404, TEXT, format!("{error}\n").into_bytes()),
            }
        }
        "/exit" => exit(asked("code").parse().unwrap_or(1)),
        _ => (404, TEXT, b"no such page\n".into()),
    }
}

/// The container's own environment: a shell that stands before this process drops names such as `a.b`.
fn environment() -> Vec<(String, String)> {
    let first = fs::read("/proc/1/environ")
        .ok()
        .filter(|_| std::os::unix::process::parent_id() == 1);
    let Some(first) = first else {
        let pair = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            (
                name.to_string_lossy().into_owned(),
                quoted(&value.to_string_lossy()),
            )
        };
        return env::vars_os().map(pair).collect();
    };
    String::from_utf8_lossy(&first)
        .split('\0')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), quoted(value)))
        .collect()
}

fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// `/proc/self/mountinfo` as objects: target, options, type, source and its path within the source.
fn mounts() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let line = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let (left, right): (Vec<&str>, Vec<&str>) =
            (left.split(' ').collect(), right.split(' ').collect());
        let fields = [
            ("root", left.get(3)?),
            ("target", left.get(4)?),
            ("options", left.get(5)?),
            ("type", right.first()?),
            ("source", right.get(1)?),
        ];
        Some(object(
            fields.map(|(name, value)| (name.to_owned(), quoted(value))),
        ))
    };
    text.lines().filter_map(line).collect()
}

/// Limits of the container's control group, version 1 or 2, as the kernel writes them.
fn limits() -> Vec<(String, String)> {
    let first = |places: &[&str]| {
        places
            .iter()
            .find_map(|place| fs::read_to_string(Path::new("/sys/fs/cgroup").join(place)).ok())
            .unwrap_or_default()
    };
    let quota = first(&["cpu.max"]);
    let quota = if quota.is_empty() {
        format!(
            "{} {}",
            first(&["cpu/cpu.cfs_quota_us"]).trim(),
            first(&["cpu/cpu.cfs_period_us"]).trim()
        )
    } else {
        quota
    };
    [
        (
            "memory",
            first(&["memory.max", "memory/memory.limit_in_bytes"]),
        ),
        ("cpu", quota),
        ("pids", first(&["pids.max", "pids/pids.max"])),
    ]
    .map(|(name, value)| (name.to_owned(), quoted(value.trim())))
    .into()
}

fn accepts(place: &str) -> bool {
    connect(place).is_ok()
}

fn connect(place: &str) -> Result<TcpStream, String> {
    let addresses = place.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut last = "no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

/// `ok`, or `failed` and why: a name that resolves, and with a port accepts a connection.
fn probe(place: &str) -> String {
    let outcome = if place.contains(':') {
        connect(place).map(drop)
    } else {
        (place, 0)
            .to_socket_addrs()
            .map(drop)
            .map_err(|error| error.to_string())
    };
    outcome.map_or_else(|why| format!("failed: {why}"), |()| "ok".to_owned())
}

/// `curl [-f] ... URL` over plain HTTP: prints the answer; exit codes 0, 6, 7, 22 as curl's.
fn curl(args: &[String]) -> i32 {
    let fail = args.iter().any(|arg| {
        arg == "--fail" || (arg.starts_with('-') && !arg.starts_with("--") && arg.contains('f'))
    });
    let Some(url) = args.iter().rev().find(|arg| {
        arg.contains("://") || (!arg.starts_with('-') && arg.contains([':', '/', '.']))
    }) else {
        return 2;
    };
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (place, path) = rest
        .split_once('/')
        .map_or((rest, String::from("/")), |(place, path)| {
            (place, format!("/{path}"))
        });
    let place = if place.contains(':') {
        place.to_owned()
    } else {
        format!("{place}:80")
    };
    let Ok(mut stream) = connect(&place) else {
        return 7;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut answer = Vec::new();
    if write!(stream, "GET {path} HTTP/1.0\r\nHost: {place}\r\n\r\n").is_err()
        || stream.read_to_end(&mut answer).is_err()
    {
        return 52;
    }
    let text = String::from_utf8_lossy(&answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return 52;
    };
    let status: u16 = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    if fail && status >= 400 {
        return 22;
    }
    print!("{body}");
    0
}

/// `nc -z [-w N] HOST PORT`, which busybox' own has not; all else is busybox'.
fn nc(args: &[String]) -> i32 {
    if args
        .iter()
        .any(|arg| arg.starts_with('-') && arg.contains('z'))
    {
        let [.., host, port] = args else { return 2 };
        return i32::from(!accepts(&format!("{host}:{port}")));
    }
    let error = Command::new("/bin/busybox").arg("nc").args(args).exec();
    eprintln!("standin: nc: {error}");
    126
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.extend(
                    std::str::from_utf8(&digits)
                        .ok()
                        .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
                );
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

fn object(fields: impl IntoIterator<Item = (String, String)>) -> String {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", quoted(&name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}
