//! Short port syntax: `[[IP:]HOST[-HOST]:]CONTAINER[-CONTAINER][/PROTOCOL]`.
//!
//! Specification: 05-services.md, "ports", "Short syntax".

use std::net::IpAddr;

/// One port of a short form; ranges give several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::compose) struct ShortPort {
    pub(in crate::compose) host_ip: String,
    pub(in crate::compose) target: u16,
    /// A number, a range of which one is taken, or nothing.
    pub(in crate::compose) published: String,
    pub(in crate::compose) protocol: String,
}

/// Reads a short form.
///
/// # Errors
///
/// What is wrong, as the end of a sentence.
pub(in crate::compose) fn parse(spec: &str) -> Result<Vec<ShortPort>, String> {
    let parts: Vec<&str> = spec.split(':').collect();
    let (address, published, container) = match parts.as_slice() {
        [container] => (String::new(), "", *container),
        [published, container] => (String::new(), *published, *container),
        [address @ .., published, container] => (address.join(":"), *published, *container),
        [] => (String::new(), "", ""),
    };
    let (container, protocol) = match container.split_once('/') {
        Some(("", _)) => ("", String::new()),
        Some((port, protocol)) => match protocol.split('/').next().unwrap_or_default() {
            "" => (port, "tcp".to_owned()),
            protocol => (port, protocol.to_lowercase()),
        },
        None => (container, "tcp".to_owned()),
    };
    let host_ip = host_address(&address)?;
    if container.is_empty() {
        return Err("has no container port".to_owned());
    }
    let ports = range(container).filter(|(first, _)| *first != 0);
    let (first, last) = ports.ok_or_else(|| format!("has an invalid container port `{container}`"))?;
    let host = match published {
        "" => None,
        published => Some(range(published).ok_or_else(|| format!("has an invalid host port `{published}`"))?),
    };
    if let Some((host_first, host_last)) = host
        && first != last
        && host_last - host_first != last - first
    {
        return Err(format!("maps the range {published} to the range {container} of another length"));
    }
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("has an unknown protocol `{protocol}`"));
    }
    let mut ports: Vec<ShortPort> = (first..=last)
        .map(|target| {
            let published = match host {
                None => String::new(),
                Some((host_first, host_last)) if first == last && host_first != host_last => {
                    format!("{host_first}-{host_last}")
                }
                Some((host_first, _)) => (host_first + (target - first)).to_string(),
            };
            ShortPort { host_ip: host_ip.clone(), target, published, protocol: protocol.clone() }
        })
        .collect();
    // The reference lists an expanded range in the order of its numbers as text.
    ports.sort_by_key(|port| port.target.to_string());
    Ok(ports)
}

fn host_address(address: &str) -> Result<String, String> {
    let invalid = || format!("has an invalid IP address `{address}`");
    let bare = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(invalid)?,
        None if address.contains(':') => {
            return Err(format!("has an IPv6 address that is not in brackets: `{address}`"));
        }
        None => address,
    };
    if bare.is_empty() || bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    Err(invalid())
}

/// `N` or `N-M`, 16 bits each.
fn range(text: &str) -> Option<(u16, u16)> {
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u16>().ok())?;
    let mut parts = text.split('-');
    let first = number(parts.next()?)?;
    match parts.next() {
        None => Some((first, first)),
        Some(last) => number(last).filter(|last| *last >= first).map(|last| (first, last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(spec: &str) -> (String, u16, String, String) {
        let ports = parse(spec).unwrap();
        assert_eq!(ports.len(), 1, "{spec}");
        let port = ports[0].clone();
        (port.host_ip, port.target, port.published, port.protocol)
    }

    #[test]
    fn single_ports() {
        let expect = |ip: &str, target, published: &str, protocol: &str| {
            (ip.to_owned(), target, published.to_owned(), protocol.to_owned())
        };
        assert_eq!(one("80"), expect("", 80, "", "tcp"));
        assert_eq!(one("8080:80"), expect("", 80, "8080", "tcp"));
        assert_eq!(one(":80"), expect("", 80, "", "tcp"));
        assert_eq!(one("127.0.0.1:8080:80/UDP"), expect("127.0.0.1", 80, "8080", "udp"));
        assert_eq!(one("127.0.0.1::80"), expect("127.0.0.1", 80, "", "tcp"));
        assert_eq!(one("[::1]:8080:80"), expect("::1", 80, "8080", "tcp"));
        assert_eq!(one("8000-8010:80"), expect("", 80, "8000-8010", "tcp"));
        assert_eq!(one("53:53/"), expect("", 53, "53", "tcp"));
    }

    #[test]
    fn ranges_expand_in_text_order() {
        let targets: Vec<(u16, String)> =
            parse("19999-20001:9999-10001").unwrap().into_iter().map(|port| (port.target, port.published)).collect();
        assert_eq!(targets, [(10000, "20000".to_owned()), (10001, "20001".to_owned()), (9999, "19999".to_owned())]);
    }

    #[test]
    fn what_is_refused() {
        for (spec, cause) in [
            ("", "no container port"),
            ("80:", "no container port"),
            ("80:x", "container port `x`"),
            ("80:0", "container port `0`"),
            ("70000:80", "host port `70000`"),
            ("8000-8001:80-82", "another length"),
            ("80/icmp", "unknown protocol"),
            ("300.0.0.1:80:80", "invalid IP address"),
            ("::1:80:80", "not in brackets"),
            ("90-80", "container port"),
        ] {
            let error = parse(spec).unwrap_err();
            assert!(error.contains(cause), "{spec}: {error}");
        }
    }
}
