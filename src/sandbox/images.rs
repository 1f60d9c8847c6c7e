//! Images by name: what a registry would say about them.

use crate::docker::ImageFacts;

use super::world::{World, digest, read_text};

/// Popular images: repository, exposed ports, volumes, entrypoint, command.
const POPULAR: &[(&str, &str, &str, &str, &str)] = &[
    ("adminer", "8080/tcp", "", "entrypoint.sh", "php -S [::]:8080 -t /var/www/html"),
    ("caddy", "80/tcp 443/tcp 443/udp 2019/tcp", "", "", "caddy run"),
    (
        "couchdb",
        "4369/tcp 5984/tcp 9100/tcp",
        "/opt/couchdb/data",
        "tini -- /docker-entrypoint.sh",
        "/opt/couchdb/bin/couchdb",
    ),
    ("elasticsearch", "9200/tcp 9300/tcp", "", "/bin/tini -- /usr/local/bin/docker-entrypoint.sh", "eswrapper"),
    ("ghost", "2368/tcp", "/var/lib/ghost/content", "docker-entrypoint.sh", "node current/index.js"),
    ("gitea/gitea", "22/tcp 3000/tcp", "/data", "/usr/bin/entrypoint", "/usr/bin/s6-svscan /etc/s6"),
    ("grafana/grafana", "3000/tcp", "", "/run.sh", ""),
    ("httpd", "80/tcp", "", "", "httpd-foreground"),
    ("mariadb", "3306/tcp", "/var/lib/mysql", "docker-entrypoint.sh", "mariadbd"),
    ("memcached", "11211/tcp", "", "docker-entrypoint.sh", "memcached"),
    ("minio/minio", "9000/tcp", "", "/usr/bin/docker-entrypoint.sh", "minio"),
    ("mongo", "27017/tcp", "/data/configdb /data/db", "docker-entrypoint.sh", "mongod"),
    ("mysql", "3306/tcp 33060/tcp", "/var/lib/mysql", "docker-entrypoint.sh", "mysqld"),
    ("nats", "4222/tcp 6222/tcp 8222/tcp", "", "/nats-server", "--config nats-server.conf"),
    ("nextcloud", "80/tcp", "/var/www/html", "/entrypoint.sh", "apache2-foreground"),
    ("nginx", "80/tcp", "", "/docker-entrypoint.sh", "nginx -g daemon off;"),
    ("nginxinc/nginx-unprivileged", "8080/tcp", "", "/docker-entrypoint.sh", "nginx -g daemon off;"),
    ("node", "", "", "docker-entrypoint.sh", "node"),
    ("phpmyadmin", "80/tcp", "", "/docker-entrypoint.sh", "apache2-foreground"),
    ("postgres", "5432/tcp", "/var/lib/postgresql/data", "docker-entrypoint.sh", "postgres"),
    ("prom/prometheus", "9090/tcp", "/prometheus", "/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml"),
    (
        "rabbitmq",
        "4369/tcp 5671/tcp 5672/tcp 15691/tcp 15692/tcp 25672/tcp",
        "/var/lib/rabbitmq",
        "docker-entrypoint.sh",
        "rabbitmq-server",
    ),
    ("redis", "6379/tcp", "/data", "docker-entrypoint.sh", "redis-server"),
    ("registry", "5000/tcp", "/var/lib/registry", "/entrypoint.sh", "/etc/distribution/config.yml"),
    ("traefik", "80/tcp", "", "/entrypoint.sh", "traefik"),
    ("traefik/whoami", "80/tcp", "", "/whoami", ""),
    ("valkey/valkey", "6379/tcp", "/data", "docker-entrypoint.sh", "valkey-server"),
    ("wordpress", "80/tcp", "/var/www/html", "docker-entrypoint.sh", "apache2-foreground"),
];

/// Images with a health check of their own.
const HEALTHY: &[&str] = &["gitlab/gitlab-ce", "mysql/mysql-server", "portainer/agent", "vaultwarden/server"];

/// A name in the engine's short form, `postgres:16`; `None` where it is not well-formed.
pub(super) fn normal(reference: &str) -> Option<String> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    if digest.is_some_and(|digest| !digest.starts_with("sha256:")) {
        return None;
    }
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match name[slash..].rfind(':') {
        Some(colon) => (&name[..slash + colon], Some(&name[slash + colon + 1..])),
        None => (name, None),
    };
    let short = ["docker.io/library/", "docker.io/", "index.docker.io/library/", "index.docker.io/"]
        .iter()
        .find_map(|prefix| repository.strip_prefix(prefix))
        .unwrap_or(repository);
    let mut parts = short.split('/').enumerate();
    let part = |(index, part): (usize, &str)| {
        let host = index == 0 && short.contains('/') && (part.contains(['.', ':']) || part == "localhost");
        !part.is_empty()
            && !part.starts_with(['.', '-', '_'])
            && !part.ends_with(['.', '-', '_'])
            && part.chars().all(|c| {
                c.is_ascii_lowercase()
                    || c.is_ascii_digit()
                    || "._-".contains(c)
                    || (host && (c == ':' || c.is_ascii_uppercase()))
            })
    };
    let tag_fine = |tag: &str| {
        !tag.is_empty()
            && tag.len() <= 128
            && !tag.starts_with(['.', '-'])
            && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !parts.all(part) || !tag.is_none_or(tag_fine) {
        return None;
    }
    Some(match (tag, digest) {
        (_, Some(digest)) => format!("{short}@{digest}"),
        (Some(tag), None) => format!("{short}:{tag}"),
        (None, None) => format!("{short}:latest"),
    })
}

/// The name as BuildKit writes it, `docker.io/library/postgres:16`.
pub(super) fn long(reference: &str) -> String {
    let normal = normal(reference).unwrap_or_else(|| reference.to_owned());
    let first = normal.split('/').next().unwrap_or_default();
    if normal.contains('/') {
        let host = first.contains(['.', ':']) || first == "localhost";
        if host { normal } else { format!("docker.io/{normal}") }
    } else {
        format!("docker.io/library/{normal}")
    }
}

/// What a registry has under a name; the refusal in the engine's words where it has nothing.
pub(super) fn from_registry(world: &World, reference: &str) -> Result<ImageFacts, String> {
    let Some(name) = normal(reference) else {
        return Err("invalid reference format".to_owned());
    };
    let missing = read_text(&world.path("faults/missing-images"));
    if missing.lines().any(|line| normal(line.trim()).as_deref() == Some(&name)) {
        let host = name.split('/').next().unwrap_or_default();
        return Err(if name.contains('/') && host.contains('.') {
            format!("Get \"https://{host}/v2/\": dial tcp: lookup {host} on 10.0.0.2:53: no such host")
        } else {
            let repository = repository(&name);
            format!(
                "pull access denied for {repository}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
            )
        });
    }
    let repository = repository(&name).to_owned();
    let split = |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let mut facts = ImageFacts {
        id: format!("sha256:{}", digest(format!("image {name}").as_bytes())),
        digests: vec![format!("{repository}@sha256:{}", digest(format!("manifest {name}").as_bytes()))],
        environment: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
        command: vec!["/bin/sh".to_owned()],
        healthcheck: HEALTHY.contains(&repository.as_str()),
        ..ImageFacts::default()
    };
    if !name.contains('@') {
        facts.tags.push(name.clone());
    }
    if let Some((_, exposed, volumes, entrypoint, command)) = POPULAR.iter().find(|row| row.0 == repository) {
        facts.exposed = split(exposed);
        facts.volumes = split(volumes);
        facts.entrypoint = split(entrypoint);
        facts.command = split(command);
    }
    Ok(facts)
}

/// A normal name without tag and digest.
pub(super) fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    name[slash..].find(':').map_or(name, |colon| &name[..slash + colon])
}

/// An image that a test puts into a world.
#[derive(Clone, Debug, Default)]
pub struct SeedImage {
    /// Its facts; an empty id is made.
    pub facts: ImageFacts,
    /// Programs that are in it by absolute path; where any are named, starting another absolute path
    /// fails as the engine's runtime does.
    pub programs: Vec<String>,
    /// Lines that its containers write.
    pub log: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_normal_form() {
        assert_eq!(normal("docker.io/library/postgres").as_deref(), Some("postgres:latest"));
        assert_eq!(normal("ghcr.io:443/a/b:1").as_deref(), Some("ghcr.io:443/a/b:1"));
        assert_eq!(normal("Bad/Name"), None);
        assert_eq!(normal("a:b:c"), None);
        assert_eq!(long("debian:12"), "docker.io/library/debian:12");
        assert_eq!(long("local/httpd:v2"), "docker.io/local/httpd:v2");
        assert_eq!(repository("localhost:5000/a/b:1"), "localhost:5000/a/b");
    }
}
