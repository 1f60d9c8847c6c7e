//! What a service tells a reverse proxy by labels and variables (Traefik, caddy-docker-proxy, nginx-proxy): the domains and
//! the port become Dokku's, and the proxy itself is not needed.

use super::context::Context;
use super::extension::is_domain;
use crate::compose::image;
use crate::model::Service;

/// Proxies that find services by the engine's socket, and their companions.
const PROXIES: &[&str] = &[
    "traefik",
    "library/traefik",
    "nginxproxy/nginx-proxy",
    "nginxproxy/acme-companion",
    "nginxproxy/docker-gen",
    "jwilder/nginx-proxy",
    "jwilder/docker-gen",
    "jrcs/letsencrypt-nginx-proxy-companion",
    "lucaslorentz/caddy-docker-proxy",
];

/// What a proxy was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Routing {
    /// Host names, in order, without repetition.
    pub(super) domains: Vec<String>,
    /// The container port.
    pub(super) port: Option<u32>,
    /// What Dokku's proxy does not do: place below the service, and what.
    pub(super) rest: Vec<(String, String)>,
    /// Whether it asks for TLS, and where.
    pub(super) tls: Option<String>,
}

/// Whether a service is a reverse proxy that serves the others by their labels.
pub(super) fn is_proxy(service: &Service) -> bool {
    let Some(reference) = service.image.as_deref().and_then(|image| image::parse(image).ok()) else { return false };
    let name = reference.name();
    let name = name.strip_prefix("docker.io/").unwrap_or(&name);
    let socket = service
        .volumes
        .iter()
        .any(|volume| volume.source.as_deref().is_some_and(|source| source.ends_with("/docker.sock")));
    socket && PROXIES.contains(&name)
}

/// Reads a service's labels and variables.
pub(super) fn read(service: &Service) -> Routing {
    let mut out = Routing::default();
    traefik(service, &mut out);
    caddy(service, &mut out);
    nginx(service, &mut out);
    let mut seen = std::collections::BTreeSet::new();
    out.domains.retain(|domain| seen.insert(domain.clone()));
    out
}

/// Says what Dokku's proxy does not do of it.
pub(super) fn report(ctx: &Context<'_>, service: &Service, routing: &Routing) {
    for (place, what) in &routing.rest {
        ctx.not_done(&format!("services.{}.{place}", service.name), what, "configure Dokku's proxy for the app");
    }
    if let Some(place) = &routing.tls {
        let path = format!("services.{}.{place}", service.name);
        ctx.approximated(
            &path,
            "the proxy serves it on 443 once the app has a certificate",
            "dokku letsencrypt:enable",
        );
    }
}

fn traefik(service: &Service, out: &mut Routing) {
    if service.labels.get("traefik.enable").is_some_and(|value| value == "false") {
        return;
    }
    for (label, value) in &service.labels {
        let Some(rest) = label.strip_prefix("traefik.") else { continue };
        let place = format!("labels.{label}");
        let parts: Vec<&str> = rest.split('.').collect();
        match parts.as_slice() {
            ["http", "routers", _, "rule"] => rule(value, &place, out),
            ["http", "services", _, "loadbalancer", "server", "port"] | ["port"] => out.port = value.parse().ok(),
            ["frontend", "rule"] => {
                // Version 1: `Host:a.example.com,b.example.com;PathPrefix:/api`.
                for part in value.split(';') {
                    match part.split_once(':') {
                        Some(("Host", hosts)) => add(hosts.split(','), &place, out),
                        _ => {
                            out.rest.push((place.clone(), format!("Dokku's proxy routes by host name, not by {part}")))
                        }
                    }
                }
            }
            ["http", "routers", _, "tls"] if value == "true" => out.tls = Some(place),
            ["http", "routers", _, "tls", "certresolver"] => out.tls = Some(place),
            ["http", "routers", _, "middlewares"] | ["http", "middlewares", ..] => {
                out.rest.push((place, "Dokku's proxy has no middlewares".into()));
            }
            ["tcp" | "udp", ..] => {
                out.rest.push((place, "only HTTP goes through Dokku's proxy; publish the port".into()))
            }
            _ => {}
        }
    }
}

/// `Host(`a`, `b`) || Host(`c`) && PathPrefix(`/api`)`.
///
/// A part of a site gives no domain: the whole of it is another service's.
fn rule(text: &str, place: &str, out: &mut Routing) {
    for alternative in text.split("||") {
        let mut hosts: Vec<&str> = Vec::new();
        let mut whole = true;
        for matcher in alternative.split("&&") {
            let matcher = matcher.trim().trim_matches(['(', ' ']);
            let (name, arguments) = matcher.split_once('(').unwrap_or((matcher, ""));
            let arguments = arguments.trim_end_matches([')', ' ']);
            match name.trim() {
                "Host" => hosts.extend(arguments.split(',').map(|host| host.trim().trim_matches(['`', '"', '\'']))),
                "PathPrefix" | "Path" if arguments.trim_matches(['`', '"', '\'']) == "/" => {}
                _ => {
                    whole = false;
                    out.rest.push((place.to_owned(), format!("Dokku's proxy routes by host name, not by {matcher}")));
                }
            }
        }
        if whole {
            add(hosts.into_iter(), place, out);
        }
    }
}

/// `caddy: a.example.com b.example.com`, `caddy.reverse_proxy: "{{upstreams 3000}}"`; several as `caddy_0`, `caddy_1`.
fn caddy(service: &Service, out: &mut Routing) {
    for (label, value) in &service.labels {
        let (site, directive) = label.split_once('.').unwrap_or((label, ""));
        let number = site.strip_prefix("caddy").map(|rest| rest.strip_prefix('_').unwrap_or(rest));
        if number.is_none_or(|number| !number.chars().all(|char| char.is_ascii_digit())) {
            continue;
        }
        let place = format!("labels.{label}");
        match directive {
            "" => {
                let hosts = value.split([' ', ',']).filter(|host| !host.is_empty());
                let plain = hosts.map(|host| {
                    let host = host.trim_start_matches("https://").trim_start_matches("http://");
                    host.split(['/', ':']).next().unwrap_or_default()
                });
                add(plain, &place, out);
                if !value.starts_with("http://") {
                    out.tls = Some(place);
                }
            }
            "reverse_proxy" => {
                let number = value.trim_matches(['{', '}', ' ']).rsplit([' ', ':']).next();
                out.port = number.and_then(|number| number.parse().ok()).or(out.port);
            }
            _ => out.rest.push((place, "Dokku's proxy has no such directive".into())),
        }
    }
}

fn nginx(service: &Service, out: &mut Routing) {
    let variable =
        |name: &str| service.environment.get(name).and_then(Option::as_deref).filter(|value| !value.is_empty());
    if let Some(hosts) = variable("VIRTUAL_HOST") {
        add(hosts.split(','), "environment.VIRTUAL_HOST", out);
    }
    if let Some(port) = variable("VIRTUAL_PORT") {
        out.port = port.parse().ok().or(out.port);
    }
    if variable("VIRTUAL_PATH").is_some_and(|path| path != "/") {
        let what = "Dokku's proxy routes by host name, not by path".to_owned();
        out.rest.push(("environment.VIRTUAL_PATH".into(), what));
    }
    if variable("LETSENCRYPT_HOST").is_some() {
        out.tls = Some("environment.LETSENCRYPT_HOST".into());
    }
}

fn add<'a>(hosts: impl Iterator<Item = &'a str>, place: &str, out: &mut Routing) {
    for host in hosts.map(str::trim) {
        if is_domain(host) {
            out.domains.push(host.to_ascii_lowercase());
        } else {
            out.rest.push((place.to_owned(), format!("Dokku serves host names, and `{host}` is none")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(labels: &[(&str, &str)]) -> Service {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Service { labels, ..Service::default() }
    }

    #[test]
    fn rules_of_traefik() {
        let routing = read(&labelled(&[
            ("traefik.http.routers.web.rule", "Host(`a.example.com`, `b.example.com`) || Host(`C.example.com`)"),
            ("traefik.http.services.web.loadbalancer.server.port", "3000"),
            ("traefik.http.routers.web.tls.certresolver", "le"),
        ]));
        assert_eq!(routing.domains, ["a.example.com", "b.example.com", "c.example.com"]);
        assert_eq!(routing.port, Some(3000));
        assert!(routing.rest.is_empty() && routing.tls.is_some());

        let routing = read(&labelled(&[
            ("traefik.http.routers.api.rule", "(Host(`a.example.com`) && PathPrefix(`/api`))"),
            ("traefik.http.routers.api.middlewares", "auth"),
        ]));
        assert!(routing.domains.is_empty());
        assert_eq!(routing.rest.len(), 2, "{:?}", routing.rest);

        assert_eq!(
            read(&labelled(&[("traefik.frontend.rule", "Host:a.b,c.d"), ("traefik.port", "80")])).domains,
            ["a.b", "c.d"]
        );
        let off = [("traefik.enable", "false"), ("traefik.http.routers.web.rule", "Host(`a.b`)")];
        assert_eq!(read(&labelled(&off)), Routing::default());
        let pattern = read(&labelled(&[("traefik.http.routers.x.rule", "HostRegexp(`{any:.*}`)")]));
        assert!(pattern.domains.is_empty() && pattern.rest.len() == 1);
    }

    #[test]
    fn labels_of_caddy() {
        let routing = read(&labelled(&[
            ("caddy", "a.example.com, b.example.com"),
            ("caddy.reverse_proxy", "{{upstreams 3000}}"),
        ]));
        assert_eq!(
            (routing.domains.as_slice(), routing.port),
            (&["a.example.com".to_owned(), "b.example.com".into()][..], Some(3000))
        );
        let routing = read(&labelled(&[("caddy_1", "http://c.example.com"), ("caddy_1.basic_auth", "x")]));
        assert_eq!(routing.domains, ["c.example.com"]);
        assert!(routing.tls.is_none() && routing.rest.len() == 1);
    }

    #[test]
    fn variables_of_nginx_proxy() {
        let mut service = Service::default();
        for (name, value) in
            [("VIRTUAL_HOST", "a.example.com,b.example.com"), ("VIRTUAL_PORT", "3000"), ("VIRTUAL_PATH", "/x")]
        {
            service.environment.insert(name.into(), Some(value.into()));
        }
        let routing = read(&service);
        assert_eq!((routing.domains.len(), routing.port, routing.rest.len()), (2, Some(3000), 1));
    }
}
