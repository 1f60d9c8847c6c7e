//! Published ports of an app: the proxy's map, and `--publish`.

use super::extension::Extension;
use super::http::{self, Route};
use super::options::Builder;
use super::proxy_labels::Routing;

/// Where an app's ports went.
pub(super) struct Ports {
    /// `scheme:host:container`.
    pub(super) map: Vec<String>,
    /// Whether the proxy serves the app.
    pub(super) proxied: bool,
}

/// Published ports by the table of [`http`]; `PORT`, which Dokku forces, agrees with the file's.
pub(super) fn ports(build: &mut Builder<'_>, extension: &Extension, routing: &Routing, primary: bool) -> Ports {
    let mut map = extension.ports.clone();
    // What port 80 of the proxy serves where no port is published on it.
    let (mut default, mut encrypted) = (None, Vec::new());
    for (index, port) in build.service.ports.iter().enumerate() {
        let path = format!("services.{}.ports[{index}]", build.service.name);
        let published = port.published.clone().unwrap_or_default();
        match http::route(build.service, port) {
            Route::Proxy(_) => {
                let first = published.split('-').next().unwrap_or_default();
                let host = if first.is_empty() { "80" } else { first };
                if published.contains('-') {
                    build.ctx.approximated(
                        &path,
                        &format!("of the range the proxy serves port {host}"),
                        "publish one port",
                    );
                } else if first.is_empty() {
                    build.ctx.approximated(
                        &path,
                        "no port of the host is named: the proxy serves it on port 80, or on its own",
                        "",
                    );
                }
                let taken =
                    |map: &[String], host: &str| map.iter().any(|entry| entry.starts_with(&format!("http:{host}:")));
                if first.is_empty() && taken(&map, "80") {
                    // One app answers on one port of the proxy once.
                    if !taken(&map, &port.target.to_string()) {
                        map.push(format!("http:{0}:{0}", port.target));
                    }
                    continue;
                }
                if host == "443" {
                    encrypted.push((path, port.target));
                } else {
                    map.push(format!("http:{host}:{}", port.target));
                    default = default.or(primary.then_some(port.target));
                }
            }
            Route::Host(_) => {
                let protocol = port
                    .protocol
                    .as_deref()
                    .filter(|protocol| *protocol != "tcp")
                    .map_or_else(String::new, |protocol| format!("/{protocol}"));
                let host = match port.host_ip.as_deref().filter(|address| !address.is_empty()) {
                    Some(address) if address.contains(':') => format!("[{address}]:{published}:"),
                    Some(address) => format!("{address}:{published}:"),
                    None if published.is_empty() => String::new(),
                    None => format!("{published}:"),
                };
                build.lists.deploy("--publish", &format!("{host}{}{protocol}", port.target));
            }
            Route::Dropped(why) => {
                build.ctx.not_done(
                    &path,
                    why,
                    "add a certificate to the app (certs:add or letsencrypt): the proxy then answers on 443 itself",
                );
            }
        }
    }
    // Port 443 of the proxy speaks TLS and needs a certificate; the plain port serves meanwhile.
    for (path, target) in encrypted {
        let entry = format!("http:80:{target}");
        if map.iter().any(|other| other.starts_with("http:80:") && *other != entry) {
            build.ctx.not_done(
                &path,
                "port 443 of Dokku's proxy serves what port 80 does, and that is another port of the service",
                "publish it on a port of its own",
            );
            continue;
        }
        map.push(entry);
        let how = "the proxy serves it on port 80, and on 443 once the app has a certificate";
        build.ctx.approximated(&path, how, "dokku certs:add, or the letsencrypt plugin");
    }
    if let Some(target) = default.filter(|_| !map.iter().any(|entry| entry.starts_with("http:80:"))) {
        map.push(format!("http:80:{target}"));
    }
    // Labels are for a proxy that asks for no published port.
    let named = !routing.domains.is_empty() || !extension.domains.is_empty();
    if let Some(port) = routing.port.or_else(|| map.is_empty().then(|| guess(build)).flatten()).filter(|_| named)
        && !map.iter().any(|entry| entry.starts_with("http:80:"))
    {
        map.push(format!("http:80:{port}"));
    }
    map.sort();
    map.dedup();
    let proxied = !map.is_empty();
    let wanted =
        build.service.environment.get("PORT").and_then(Option::as_deref).and_then(|port| port.parse::<u16>().ok());
    if let Some(port) = wanted {
        if !proxied {
            map.push(format!("http:80:{port}"));
        } else if !map.iter().any(|entry| entry.rsplit(':').next() == Some(port.to_string().as_str())) {
            let path = format!("services.{}.environment.PORT", build.service.name);
            build.ctx.approximated(
                &path,
                "Dokku sets PORT to the container port that the proxy uses",
                "let PORT and the published container port agree",
            );
        }
    }
    Ports { map, proxied }
}

/// The container port behind a domain, where nobody names it: what the file exposes, then what the image does, then 80.
fn guess(build: &Builder<'_>) -> Option<u32> {
    let service = build.service;
    let number = |text: &String| text.split('/').next()?.parse::<u32>().ok();
    let image = service.image.as_ref().and_then(|image| build.ctx.images.get(image));
    let published = service.ports.iter().find(|port| matches!(http::route(service, port), Route::Proxy(_)));
    published
        .map(|port| port.target)
        .or_else(|| service.expose.iter().find_map(number))
        .or_else(|| image.and_then(|facts| facts.exposed.iter().find_map(number)))
        .or(Some(80))
}
