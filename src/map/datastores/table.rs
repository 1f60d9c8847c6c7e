//! The table of datastore plugins: a row a plugin. Images match by their whole repository, never by a prefix
//! (`mongo-express` is not mongo).

/// One official datastore plugin and the images that it could run.
#[derive(Debug, PartialEq, Eq)]
pub struct Datastore {
    /// Plugin name, as in `dokku postgres:create`.
    pub plugin: &'static str,
    /// Repositories, without registry and `library/`, that the plugin runs as it runs its own image.
    pub runs: &'static [&'static str],
    /// Repositories of the same software that are set up in another way, or keep their data elsewhere than the plugin
    /// does: they stay containers.
    pub others: &'static [&'static str],
    /// Port that clients connect to.
    pub port: u16,
    /// How its settings are kept; `None`: this version makes no services of it.
    pub driver: Option<Driver>,
}

/// How the settings of a compose file become those of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// `postgres`.
    Postgres,
    /// `mysql` and `mariadb`.
    Mysql,
    /// `redis`.
    Redis,
    /// Without users: `memcached`.
    Open,
}

/// The official datastore plugins (Dokku's documentation, "Official Plugins"; ports and images from each plugin's
/// `config` and `Dockerfile`), with well-known variants of their images.
pub const DATASTORES: &[Datastore] = &[
    Datastore {
        plugin: "postgres",
        runs: &["postgres", "pgvector/pgvector", "postgis/postgis", "timescale/timescaledb"],
        others: &[
            "ankane/pgvector",
            "bitnami/postgresql",
            "elestio/postgres",
            "ferretdb/postgres-documentdb",
            "immich-app/postgres",
            "kkimurak/sameersbn-postgresql",
            "paradedb/paradedb",
            "sameersbn/postgresql",
            "supabase/postgres",
            "timescale/timescaledb-ha",
            "zulip/zulip-postgresql",
        ],
        port: 5432,
        driver: Some(Driver::Postgres),
    },
    Datastore {
        plugin: "mysql",
        runs: &["mysql"],
        others: &["bitnami/mysql", "mysql/mysql-server", "percona", "percona/percona-server"],
        port: 3306,
        driver: Some(Driver::Mysql),
    },
    Datastore {
        plugin: "mariadb",
        runs: &["mariadb"],
        others: &["bitnami/mariadb", "linuxserver/mariadb"],
        port: 3306,
        driver: Some(Driver::Mysql),
    },
    Datastore {
        plugin: "mongo",
        runs: &["mongo"],
        others: &["bitnami/mongodb", "mongodb/mongodb-community-server"],
        port: 27017,
        driver: None,
    },
    Datastore {
        plugin: "redis",
        runs: &["redis", "valkey/valkey", "valkey-io/valkey"],
        others: &[
            "bitnami/redis",
            "bitnami/valkey",
            "redis/redis-stack",
            "redis/redis-stack-server",
            "redislabs/redismod",
            "sameersbn/redis",
        ],
        port: 6379,
        driver: Some(Driver::Redis),
    },
    Datastore {
        plugin: "memcached",
        runs: &["memcached"],
        others: &["bitnami/memcached"],
        port: 11211,
        driver: Some(Driver::Open),
    },
    Datastore { plugin: "rabbitmq", runs: &["rabbitmq"], others: &["bitnami/rabbitmq"], port: 5672, driver: None },
    Datastore {
        plugin: "elasticsearch",
        runs: &["elasticsearch", "elasticsearch/elasticsearch"],
        others: &["bitnami/elasticsearch"],
        port: 9200,
        driver: None,
    },
    Datastore {
        plugin: "clickhouse",
        runs: &["clickhouse/clickhouse-server", "clickhouse"],
        others: &["yandex/clickhouse-server", "bitnami/clickhouse"],
        port: 9000,
        driver: None,
    },
    Datastore {
        plugin: "couchdb",
        runs: &["couchdb"],
        others: &["bitnami/couchdb", "ibmcom/couchdb3"],
        port: 5984,
        driver: None,
    },
    Datastore { plugin: "meilisearch", runs: &["getmeili/meilisearch"], others: &[], port: 7700, driver: None },
    Datastore { plugin: "nats", runs: &["nats"], others: &["bitnami/nats"], port: 4222, driver: None },
    Datastore { plugin: "typesense", runs: &["typesense/typesense"], others: &[], port: 8108, driver: None },
    Datastore { plugin: "solr", runs: &["solr"], others: &["bitnami/solr"], port: 8983, driver: None },
    Datastore { plugin: "rethinkdb", runs: &["rethinkdb"], others: &[], port: 28015, driver: None },
    Datastore {
        plugin: "graphite",
        runs: &["dokku/docker-grafana-graphite"],
        others: &["graphiteapp/graphite-statsd"],
        port: 8125,
        driver: None,
    },
    Datastore {
        plugin: "omnisci",
        runs: &["omnisci/core-os-cpu"],
        others: &["omnisci/omnisci-ee-cpu"],
        port: 6274,
        driver: None,
    },
    Datastore { plugin: "pushpin", runs: &["fanout/pushpin"], others: &[], port: 7999, driver: None },
];

impl Datastore {
    /// The row of a plugin.
    pub fn of_plugin(plugin: &str) -> Option<&'static Self> {
        DATASTORES.iter().find(|row| row.plugin == plugin)
    }

    /// Whether the plugin runs this image as it runs its own.
    pub fn runs(&self, image: &str) -> bool {
        self.runs.contains(&repository(image))
    }

    /// What an administrator types to install the plugin.
    pub fn install_command(&self) -> String {
        format!("sudo dokku plugin:install https://github.com/dokku/dokku-{0}.git --name {0}", self.plugin)
    }
}

/// The datastore that an image is, by its repository, whether or not the plugin runs it.
///
/// A registry host (`docker.io/`, `ghcr.io/`, `localhost:5000/`) and `library/` are left aside, tag and digest too.
pub fn of_image(image: &str) -> Option<&'static Datastore> {
    let repository = repository(image);
    DATASTORES.iter().find(|row| row.runs.contains(&repository) || row.others.contains(&repository))
}

/// The repository without registry, `library/`, tag and digest.
pub(in crate::map) fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let name = match name.split_once('/') {
        Some((host, rest)) if host.contains('.') || host.contains(':') || host == "localhost" => rest,
        _ => name,
    };
    // Amazon's mirror of Docker's own images.
    let name = name.strip_prefix("docker/").filter(|rest| rest.starts_with("library/")).unwrap_or(name);
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
        assert_eq!(plugin("public.ecr.aws/docker/library/mysql:8"), Some("mysql"));
        assert_eq!(plugin("localhost:5000/redis@sha256:00"), Some("redis"));
        assert_eq!(plugin("ghcr.io/valkey-io/valkey:9"), Some("redis"));
        assert_eq!(plugin("mongo:3.4"), Some("mongo"));
        assert_eq!(plugin("docker.elastic.co/elasticsearch/elasticsearch:8.1.0"), Some("elasticsearch"));
        for app in [
            "mongo-express",
            "rediscommander/redis-commander",
            "prometheuscommunity/postgres-exporter",
            "phpmyadmin",
            "acme/postgres",
            "postgrest/postgrest:v12",
        ] {
            assert_eq!(plugin(app), None, "{app}");
        }
    }

    #[test]
    fn every_plugin_once_and_no_repository_twice() {
        assert_eq!(DATASTORES.len(), 18);
        let mut plugins: Vec<_> = DATASTORES.iter().map(|row| row.plugin).collect();
        let mut names: Vec<_> = DATASTORES.iter().flat_map(|row| row.runs.iter().chain(row.others)).collect();
        for list in [&mut plugins.iter().collect::<Vec<_>>(), &mut names] {
            let all = list.len();
            list.sort();
            list.dedup();
            assert_eq!(list.len(), all);
        }
        plugins.dedup();
        assert_eq!(plugins.len(), 18);
    }
}
