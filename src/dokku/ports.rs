//! Ports of the proxy: `ports:*`.

use std::fmt;
use std::str::FromStr;

use super::call::SLOW;
use super::{Call, Dokku, DokkuResult};

/// A port of the proxy and the port of the app behind it: `http:80:8080`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortMap {
    /// `http`, `https`, `grpc`, `grpcs`; `tcp` and `udp` are stored, but nginx does not serve them.
    pub scheme: String,
    /// On the host.
    pub host: u16,
    /// In the container.
    pub container: u16,
}

impl fmt::Display for PortMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.scheme, self.host, self.container)
    }
}

impl FromStr for PortMap {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split(':');
        let map = Self {
            scheme: parts.next().filter(|scheme| !scheme.is_empty()).ok_or(())?.to_owned(),
            host: parts.next().and_then(|port| port.parse().ok()).ok_or(())?,
            container: parts.next().and_then(|port| port.parse().ok()).ok_or(())?,
        };
        if parts.next().is_some() { Err(()) } else { Ok(map) }
    }
}

/// `ports:set APP MAP...`: exactly these, of which there must be some. With the proxy on, its
/// configuration is rebuilt.
pub fn set(app: &str, maps: &[PortMap]) -> Call {
    let args = std::iter::once(app.to_owned()).chain(maps.iter().map(PortMap::to_string));
    Call::new("ports:set", args).about(app).limit(SLOW)
}

/// `ports:clear APP`: back to what the next build detects.
pub fn clear(app: &str) -> Call {
    Call::new("ports:clear", [app]).about(app).limit(SLOW)
}

impl Dokku {
    /// The ports set for an app, none where Dokku detects them (`ports:report APP --ports-map`,
    /// 0.03 s; the whole report takes most of a second).
    pub fn ports(&self, app: &str) -> DokkuResult<Vec<PortMap>> {
        let reply = self.call(Call::new("ports:report", [app, "--ports-map"]).about(app))?;
        let maps: Result<Vec<_>, ()> = reply.stdout.split_whitespace().map(str::parse).collect();
        maps.map_err(|()| reply.unreadable("no list of port maps"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_and_written() {
        let map = PortMap { scheme: "http".to_owned(), host: 80, container: 8080 };
        assert_eq!("http:80:8080".parse(), Ok(map.clone()));
        assert_eq!(map.to_string(), "http:80:8080");
        for bad in ["", "http:80", ":80:80", "http:80:80:80", "http:x:80", "http:70000:80"] {
            assert_eq!(bad.parse::<PortMap>(), Err(()), "{bad}");
        }
    }
}
