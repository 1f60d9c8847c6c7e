//! Whether a published port goes to Dokku's proxy or to the host: one table, in the order of the questions.

use crate::model::{Port, Service};

/// Where a published port goes, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To Dokku's proxy, by vhost.
    Proxy(&'static str),
    /// To the host, by `--publish`.
    Host(&'static str),
    /// Nowhere: Dokku's proxy holds that port of the host.
    Dropped(&'static str),
}

/// Container ports that are known to speak something else than HTTP.
const OTHER_PROTOCOLS: &[u32] = &[
    20, 21, 22, 23, 25, 53, 110, 111, 119, 123, 135, 137, 138, 139, 143, 161, 162, 179, 389, 445, 465, 514, 515, 530,
    543, 544, 546, 547, 548, 554, 587, 631, 636, 646, 853, 873, 989, 990, 993, 995, 1080, 1194, 1433, 1434, 1521, 1522,
    1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3268, 3269, 3306, 3389, 4222, 4369, 5060, 5061, 5222, 5269,
    5432, 5433, 5671, 5672, 5900, 6379, 6380, 6432, 6514, 6667, 6697, 7000, 7001, 7199, 7687, 8883, 9042, 9092, 9093,
    9094, 9160, 9300, 11211, 25565, 25672, 26379, 27017, 27018, 27019, 28015, 29015, 33060, 50000, 51820, 61616,
];

/// Container ports that are known to speak TLS, which the proxy cannot pass on to an app.
const TLS: &[u32] = &[443, 8443, 9443];

/// Decides for one port of a service.
pub fn route(service: &Service, port: &Port) -> Route {
    let target = port.target;
    let published = port.published.as_deref().unwrap_or_default();
    if port.protocol.as_deref().is_some_and(|protocol| protocol != "tcp") {
        return Route::Host("not TCP");
    }
    if port.host_ip.as_deref().is_some_and(|address| !matches!(address, "" | "0.0.0.0" | "::")) {
        return Route::Host("bound to an address of the host");
    }
    if let Some(list) = service.extensions.get("x-dokku").and_then(|value| value.get("http")?.as_array()) {
        let speaks = list.iter().any(|item| item.as_u64() == Some(u64::from(target)));
        return if speaks { Route::Proxy("x-dokku") } else { guard(published, "x-dokku") };
    }
    if let Some(protocol) = port.app_protocol.as_deref() {
        return match protocol {
            "http" | "http2" | "h2c" | "ws" | "grpc" => Route::Proxy("app_protocol"),
            _ => guard(published, "app_protocol"),
        };
    }
    if port.name.as_deref().is_some_and(|name| name.split(['-', '_']).any(|word| matches!(word, "http" | "web"))) {
        return Route::Proxy("the port's name");
    }
    if proxied_by_label(service, target) {
        return Route::Proxy("proxy labels");
    }
    if TLS.contains(&target) {
        return guard(published, "TLS ends in the container");
    }
    if OTHER_PROTOCOLS.contains(&target) {
        return guard(published, "well-known port of another protocol");
    }
    Route::Proxy("HTTP unless known otherwise")
}

/// Ports 80 and 443 of the host belong to Dokku's proxy.
fn guard(published: &str, reason: &'static str) -> Route {
    if matches!(published, "80" | "443") {
        Route::Dropped("Dokku's proxy holds this port of the host")
    } else {
        Route::Host(reason)
    }
}

fn proxied_by_label(service: &Service, target: u32) -> bool {
    // Nearly no service has such labels.
    let told = service.labels.keys().any(|label| label.starts_with("traefik.") || label.starts_with("caddy"))
        || service.environment.contains_key("VIRTUAL_PORT");
    told && super::proxy_labels::read(service).port == Some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(target: u32, published: &str) -> Port {
        Port { target, published: Some(published.to_owned()), protocol: Some("tcp".into()), ..Port::default() }
    }

    #[test]
    fn the_table_decides() {
        let service = Service::default();
        let is = |port: Port| route(&service, &port);
        assert_eq!(is(port(1337, "1337")), Route::Proxy("HTTP unless known otherwise"));
        assert_eq!(is(port(5432, "5432")), Route::Host("well-known port of another protocol"));
        assert_eq!(
            is(Port { host_ip: Some("127.0.0.1".into()), ..port(80, "8080") }),
            Route::Host("bound to an address of the host")
        );
        assert_eq!(is(Port { protocol: Some("udp".into()), ..port(53, "53") }), Route::Host("not TCP"));
        assert_eq!(is(port(443, "443")), Route::Dropped("Dokku's proxy holds this port of the host"));
        assert_eq!(is(port(443, "8443")), Route::Host("TLS ends in the container"));
        assert_eq!(is(Port { app_protocol: Some("http".into()), ..port(9092, "9092") }), Route::Proxy("app_protocol"));
        assert_eq!(is(Port { name: Some("admin-web".into()), ..port(7000, "7000") }), Route::Proxy("the port's name"));
    }

    #[test]
    fn proxy_labels_name_an_http_port() {
        let mut service = Service::default();
        service.labels.insert("traefik.http.services.x.loadbalancer.server.port".into(), "5000".into());
        assert_eq!(route(&service, &port(5000, "1")), Route::Proxy("proxy labels"));
    }
}
