//! Which images are datastores: exact repositories, never prefixes (`mongo-express` is not mongo).

/// One official datastore plugin and the images that it could run.
pub struct Datastore {
    /// Plugin name, as in `dokku postgres:create`.
    pub plugin: &'static str,
    /// Repositories without registry and `library/`.
    pub repositories: &'static [&'static str],
}

/// The official datastore plugins (Dokku's documentation, "Community plugins"), with well-known variants of their images.
pub const DATASTORES: &[Datastore] = &[
    Datastore {
        plugin: "postgres",
        repositories: &[
            "postgres",
            "bitnami/postgresql",
            "pgvector/pgvector",
            "postgis/postgis",
            "timescale/timescaledb",
        ],
    },
    Datastore {
        plugin: "mysql",
        repositories: &["mysql", "mysql/mysql-server", "bitnami/mysql", "percona", "percona/percona-server"],
    },
    Datastore { plugin: "mariadb", repositories: &["mariadb", "bitnami/mariadb"] },
    Datastore { plugin: "mongo", repositories: &["mongo", "bitnami/mongodb"] },
    Datastore {
        plugin: "redis",
        repositories: &["redis", "bitnami/redis", "valkey/valkey", "redis/redis-stack-server"],
    },
    Datastore { plugin: "memcached", repositories: &["memcached", "bitnami/memcached"] },
    Datastore { plugin: "rabbitmq", repositories: &["rabbitmq", "bitnami/rabbitmq"] },
    Datastore {
        plugin: "elasticsearch",
        repositories: &["elasticsearch", "elasticsearch/elasticsearch", "bitnami/elasticsearch"],
    },
    Datastore {
        plugin: "clickhouse",
        repositories: &["clickhouse/clickhouse-server", "clickhouse", "yandex/clickhouse-server"],
    },
    Datastore { plugin: "couchdb", repositories: &["couchdb", "bitnami/couchdb"] },
    Datastore { plugin: "meilisearch", repositories: &["getmeili/meilisearch"] },
    Datastore { plugin: "nats", repositories: &["nats", "bitnami/nats"] },
    Datastore { plugin: "typesense", repositories: &["typesense/typesense"] },
    Datastore { plugin: "solr", repositories: &["solr", "bitnami/solr"] },
    Datastore { plugin: "rethinkdb", repositories: &["rethinkdb"] },
    Datastore { plugin: "graphite", repositories: &["graphiteapp/graphite-statsd", "dokku/docker-grafana-graphite"] },
    Datastore { plugin: "omnisci", repositories: &["omnisci/core-os-cpu", "omnisci/omnisci-ee-cpu"] },
    Datastore { plugin: "pushpin", repositories: &["fanout/pushpin"] },
];

/// The datastore that an image is, by its repository.
///
/// A registry host (`docker.io/`, `ghcr.io/`, `localhost:5000/`) and `library/` are left aside, tag and digest too.
pub fn of_image(image: &str) -> Option<&'static Datastore> {
    let repository = repository(image);
    DATASTORES.iter().find(|row| row.repositories.contains(&repository))
}

fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let name = match name.split_once('/') {
        Some((host, rest)) if host.contains('.') || host.contains(':') || host == "localhost" => rest,
        _ => name,
    };
    let name = name.strip_prefix("library/").unwrap_or(name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_match_exactly() {
        let plugin = |image| of_image(image).map(|row| row.plugin);
        assert_eq!(plugin("postgres"), Some("postgres"));
        assert_eq!(plugin("postgres:16-alpine"), Some("postgres"));
        assert_eq!(plugin("docker.io/library/mysql:8"), Some("mysql"));
        assert_eq!(plugin("localhost:5000/redis@sha256:00"), Some("redis"));
        assert_eq!(plugin("mongo:3.4"), Some("mongo"));
        assert_eq!(plugin("docker.elastic.co/elasticsearch/elasticsearch:8.1.0"), Some("elasticsearch"));
        for app in [
            "mongo-express",
            "rediscommander/redis-commander",
            "prometheuscommunity/postgres-exporter",
            "phpmyadmin",
            "acme/postgres",
        ] {
            assert_eq!(plugin(app), None, "{app}");
        }
    }
}
