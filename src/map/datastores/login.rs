//! User, password and database of a file, and what of its environment and command goes to the service as it is.

use std::collections::BTreeMap;

use super::store::StoreLogin;
use super::table::{Driver, repository};

/// What a service says, once its `*_FILE` variables are read.
pub(super) struct Said<'a> {
    pub(super) plugin: &'static str,
    pub(super) image: &'a str,
    pub(super) version: &'a str,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) command: Vec<String>,
}

/// What the plugin is told.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) login: Login,
    /// Variables for the container.
    pub(super) environment: BTreeMap<String, String>,
    /// Words behind the command of the plugin.
    pub(super) options: Vec<String>,
    /// Variables whose place the plugin's own settings take.
    pub(super) dropped: Vec<&'static str>,
}

/// As [`StoreLogin`], in clear.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) root_password: Option<String>,
    pub(super) database: String,
    pub(super) plugins_user: bool,
}

impl Login {
    /// With the passwords hidden.
    pub(super) fn sealed(self, hide: impl Fn(String) -> crate::secret::Secret) -> StoreLogin {
        StoreLogin {
            user: self.user,
            password: self.password.map(&hide),
            root_password: self.root_password.map(&hide),
            database: self.database,
            plugins_user: self.plugins_user,
        }
    }
}

/// What is kept, or why the plugin cannot keep all of it.
pub(super) fn read(driver: Driver, said: Said<'_>) -> Result<Kept, String> {
    for (name, value) in &said.environment {
        let word = !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        if !word {
            return Err(format!("the plugin cannot keep a variable named {name}"));
        }
        // `--custom-env` is one line, cut at semicolons (`service_commit_config`).
        if value.contains(['\n', '\r', '\0']) {
            return Err(format!("{name} has several lines, which the plugin cannot keep"));
        }
    }
    let mut kept = match driver {
        Driver::Postgres => postgres(said)?,
        Driver::Mysql => mysql(said)?,
        Driver::Redis => redis(said)?,
        Driver::Open => Kept { environment: said.environment, options: said.command, ..Kept::default() },
    };
    if let Some((name, _)) = kept.environment.iter().find(|(_, value)| value.contains(';')) {
        return Err(format!("{name} has a semicolon, at which the plugin would cut it"));
    }
    if driver == Driver::Open && kept.options.first().is_some_and(|word| !word.starts_with('-')) {
        kept.options.remove(0);
    }
    for word in &kept.options {
        // The plugin hands them to the shell unquoted (`$CONFIG_OPTIONS`).
        let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=@%+,".contains(char);
        if word.is_empty() || !word.chars().all(plain) {
            return Err(format!("the plugin cannot keep the word `{word}` of the command"));
        }
        let port = ["--port", "-p", "-P"].contains(&word.as_str());
        if port || word.starts_with("--port=") || word.starts_with("port=") {
            return Err("the command sets another port, and the plugin waits at its own".into());
        }
    }
    Ok(kept)
}

/// Characters that stand for themselves in a URL, a shell word, an SQL literal and a configuration file.
fn plain_password(password: &str) -> bool {
    !password.starts_with('-')
        && (1..=128).contains(&password.len())
        && password.chars().all(|char| char.is_ascii_alphanumeric() || "_.~-".contains(char))
}

const ODD: &str = "its password has characters that the plugin does not write safely";

fn postgres(mut said: Said<'_>) -> Result<Kept, String> {
    // The plugin chooses the place of the data by the digits that the version begins with; where the image has another
    // one, the data would lie in the container and go with it (`service_create_container`).
    let digest_only = said.image.contains('@') && !said.version.contains('@');
    let major = postgres_major(repository(said.image), said.version)
        .filter(|_| !digest_only)
        .ok_or("the tag names no major version, by which the plugin places the data")?;
    let by_plugin = said.version.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>();
    if (major >= 18) != by_plugin.is_ok_and(|major| major >= 18) {
        return Err("the plugin would place the data of this version elsewhere than the image does".into());
    }
    let env = &mut said.environment;
    let mut take = |name: &str| env.remove(name);
    let user = take("POSTGRES_USER").filter(|user| !user.is_empty()).unwrap_or_else(|| "postgres".into());
    let database = take("POSTGRES_DB").filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    let password = take("POSTGRES_PASSWORD").filter(|password| !password.is_empty());
    let dropped = take("PGDATA").map(|_| "PGDATA");
    if take("POSTGRES_INITDB_WALDIR").is_some() {
        return Err("POSTGRES_INITDB_WALDIR lies outside of what the plugin keeps".into());
    }
    let open = said.environment.get("POSTGRES_HOST_AUTH_METHOD").is_some_and(|method| method == "trust");
    if password.is_none() && !open {
        return Err("it has no POSTGRES_PASSWORD".into());
    }
    if let Some(name) = said.environment.keys().find(|name| name.starts_with("PG")) {
        return Err(format!("{name} would change what the plugin's own commands connect to"));
    }
    identifier("POSTGRES_USER", &user, 63)?;
    identifier("POSTGRES_DB", &database, 63)?;
    let plugins_user = user == "postgres";
    if plugins_user && password.as_deref().is_some_and(|password| !plain_password(password)) {
        return Err(ODD.into());
    }
    if password.as_deref().is_some_and(|password| password.contains('\0')) {
        return Err(ODD.into());
    }
    let mut options = said.command;
    if options.first().is_some_and(|word| word == "postgres") {
        options.remove(0);
    }
    if options.first().is_some_and(|word| !word.starts_with('-')) {
        return Err("its command is another program".into());
    }
    let login = Login { user, password, root_password: None, database, plugins_user };
    Ok(Kept { login, environment: said.environment, options, dropped: dropped.into_iter().collect() })
}

/// The major version of PostgreSQL that an image has, by its tag.
pub(super) fn postgres_major(repository: &str, version: &str) -> Option<u32> {
    let tag = version.split('@').next().unwrap_or_default();
    let digits = match repository {
        "pgvector/pgvector" | "timescale/timescaledb" => &tag[tag.rfind("pg")? + 2..],
        _ => tag,
    };
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|major| *major < 100)
}

/// A name that a server takes: not empty, not cut, nothing that cannot be written in quotes.
fn identifier(variable: &str, name: &str, longest: usize) -> Result<(), String> {
    if name.len() > longest || name.chars().any(char::is_control) {
        return Err(format!("{variable} is no name that the server takes"));
    }
    Ok(())
}

fn mysql(mut said: Said<'_>) -> Result<Kept, String> {
    let maria = said.plugin == "mariadb";
    let env = &mut said.environment;
    // MariaDB's image reads both, its own first.
    let mut take = |name: &str| {
        let own = env.remove(&format!("MARIADB_{name}")).filter(|_| maria);
        let old = env.remove(&format!("MYSQL_{name}"));
        own.or(old).filter(|value| !value.is_empty())
    };
    if take("ALLOW_EMPTY_PASSWORD").or_else(|| take("ALLOW_EMPTY_ROOT_PASSWORD")).is_some() {
        return Err("its root user has no password, and the plugin gives it one".into());
    }
    let random = take("RANDOM_ROOT_PASSWORD").is_some();
    let (root, hash) = (take("ROOT_PASSWORD"), take("ROOT_PASSWORD_HASH"));
    let (user, password, database) = (take("USER"), take("PASSWORD"), take("DATABASE"));
    if hash.is_some() || take("PASSWORD_HASH").is_some() {
        return Err("the plugin knows passwords only, no hash of one".into());
    }
    if take("ONETIME_PASSWORD").is_some() {
        return Err("MYSQL_ONETIME_PASSWORD would lock the plugin out".into());
    }
    if root.is_none() && !random {
        return Err("it has no root password".into());
    }
    if user.is_some() != password.is_some() {
        return Err("it names a user without a password, or a password without a user".into());
    }
    let user = user.unwrap_or_default();
    if user == "root" {
        return Err("MYSQL_USER cannot be root".into());
    }
    identifier("MYSQL_USER", &user, 32)?;
    identifier("MYSQL_DATABASE", database.as_deref().unwrap_or_default(), 64)?;
    let plugins_user = user == if maria { "mariadb" } else { "mysql" };
    if plugins_user && password.as_deref().is_some_and(|password| !plain_password(password)) {
        return Err(ODD.into());
    }
    for secret in [&root, &password].into_iter().flatten() {
        if secret.chars().any(char::is_control) || secret.starts_with('-') {
            return Err(ODD.into());
        }
    }
    if root.as_deref().is_some_and(|root| root.trim() != root) {
        return Err(ODD.into());
    }
    let mut options = said.command;
    if options.first().is_some_and(|word| ["mysqld", "mariadbd"].contains(&word.as_str())) {
        options.remove(0);
    }
    if options.first().is_some_and(|word| !word.starts_with('-')) {
        return Err("its command is another program".into());
    }
    if options.iter().any(|word| word.starts_with("--datadir") || word.to_ascii_uppercase().contains("BACKSLASH")) {
        return Err("the command moves the data, or changes how text is written".into());
    }
    let login = Login { user, password, root_password: root, database: database.unwrap_or_default(), plugins_user };
    Ok(Kept { login, environment: said.environment, options, dropped: Vec::new() })
}

fn redis(said: Said<'_>) -> Result<Kept, String> {
    let mut words = said.command.into_iter().peekable();
    if words.peek().is_some_and(|word| word == "redis-server" || word == "valkey-server") {
        words.next();
    }
    match words.peek() {
        Some(word) if !word.starts_with("--") => {
            return Err("it has a configuration file or a command of its own".into());
        }
        _ => {}
    }
    let (mut password, mut options) = (None, Vec::new());
    while let Some(word) = words.next() {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "--requirepass" => password = words.next(),
            "--bind" | "--dir" | "--aclfile" | "--masterauth" | "--user" | "--protected-mode" => {
                return Err(format!(
                    "the command sets {}, which the plugin sets itself or would put in view",
                    &word[2..]
                ));
            }
            _ if lower.starts_with("--requirepass=") => password = Some(word[14..].to_owned()),
            _ => options.push(word),
        }
    }
    let password =
        password.filter(|password| !password.is_empty()).ok_or("it has no password, and the plugin sets one")?;
    if !plain_password(&password) {
        return Err(ODD.into());
    }
    let login = Login { user: "default".into(), password: Some(password), plugins_user: true, ..Login::default() };
    Ok(Kept { login, environment: said.environment, options, dropped: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(plugin: &'static str, image: &str, env: &[(&str, &str)], command: &[&str]) -> Result<Kept, String> {
        let row = super::super::table::Datastore::of_plugin(plugin).unwrap();
        let (image, version) = super::super::image::split(image);
        let environment = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        read(row.driver.unwrap(), Said { plugin, image, version, environment, command })
    }

    const PASSWORD: (&str, &str) = ("POSTGRES_PASSWORD", "pw");

    #[test]
    fn postgres_settings_are_kept() {
        let kept = said(
            "postgres",
            "postgres:16.4",
            &[PASSWORD, ("POSTGRES_USER", "app"), ("TZ", "UTC"), ("PGDATA", "/var/lib/postgresql/data/pgdata")],
            &["postgres", "-c", "max_connections=200"],
        )
        .unwrap();
        let login = &kept.login;
        assert_eq!((login.user.as_str(), login.database.as_str(), login.plugins_user), ("app", "app", false));
        assert_eq!(kept.options, ["-c", "max_connections=200"]);
        assert_eq!(kept.environment.keys().collect::<Vec<_>>(), ["TZ"]);
        assert_eq!(kept.dropped, ["PGDATA"]);
        let own = said("postgres", "postgres:16", &[PASSWORD], &[]).unwrap();
        assert!(own.login.plugins_user && own.login.user == "postgres" && own.login.database == "postgres");
        let trust = [("POSTGRES_HOST_AUTH_METHOD", "trust")];
        assert_eq!(
            said("postgres", "postgres:16", &trust, &[]).unwrap().environment["POSTGRES_HOST_AUTH_METHOD"],
            "trust"
        );
    }

    #[test]
    fn any_password_of_a_user_of_the_file_is_kept_and_an_odd_one_of_the_plugins_is_not() {
        let long = "x".repeat(200);
        for odd in ["a'b", "a\"b", "a%b", "a;b", "a b", "é", "-n", "a\\b", "$HOME", long.as_str()] {
            let of =
                |user| said("postgres", "postgres:16", &[("POSTGRES_PASSWORD", odd), ("POSTGRES_USER", user)], &[]);
            assert_eq!(of("app").unwrap().login.password.as_deref(), Some(odd));
            assert!(of("postgres").unwrap_err().contains("password"), "{odd}");
            let redis = said("redis", "redis:7", &[], &["--requirepass", odd]);
            assert!(redis.unwrap_err().contains("password"), "{odd}");
        }
        let lines = [("POSTGRES_PASSWORD", "a\nb"), ("POSTGRES_USER", "app")];
        assert!(said("postgres", "postgres:16", &lines, &[]).unwrap_err().contains("several lines"));
        assert!(
            said("postgres", "postgres:16", &[("POSTGRES_PASSWORD", "")], &[]).unwrap_err().contains("no POSTGRES")
        );
    }

    #[test]
    fn what_the_plugin_would_lose_is_told() {
        let why = |image: &str, env: &[(&str, &str)], command: &[&str]| {
            let all: Vec<_> = env.iter().copied().chain([PASSWORD]).collect();
            said("postgres", image, &all, command).map(|_| ()).unwrap_err()
        };
        assert!(why("postgres", &[], &[]).contains("major version"));
        assert!(why("postgres:alpine", &[], &[]).contains("major version"));
        assert!(why("pgvector/pgvector:pg18", &[], &[]).contains("elsewhere"));
        assert!(said("postgres", "pgvector/pgvector:pg17", &[PASSWORD], &[]).is_ok());
        assert!(said("postgres", "timescale/timescaledb:2.14.2-pg16", &[PASSWORD], &[]).is_ok());
        assert!(said("postgres", "postgres:18.1", &[PASSWORD], &[]).is_ok());
        assert!(why("postgres@sha256:16ab", &[], &[]).contains("major version"));
        assert!(why("postgres:16", &[("PGUSER", "x")], &[]).contains("PGUSER"));
        assert!(why("postgres:16", &[("A", "x;y")], &[]).contains("semicolon"));
        assert!(why("postgres:16", &[], &["-c", "search_path=a b"]).contains("cannot keep the word"));
        assert!(why("postgres:16", &[], &["-p", "5433"]).contains("port"));
        assert!(why("postgres:16", &[], &["sh", "-c", "x"]).contains("another program"));
        assert!(why("postgres:16", &[("POSTGRES_DB", &"d".repeat(64))], &[]).contains("no name"));
    }

    #[test]
    fn mysql_and_mariadb_settings_are_kept() {
        let env = [
            ("MYSQL_ROOT_PASSWORD", "r'o;t"),
            ("MYSQL_USER", "app"),
            ("MYSQL_PASSWORD", "p%w"),
            ("MYSQL_DATABASE", "shop"),
        ];
        let kept = said("mysql", "mysql:8", &env, &["mysqld", "--max-connections=50"]).unwrap();
        let login = &kept.login;
        assert_eq!((login.user.as_str(), login.database.as_str(), login.plugins_user), ("app", "shop", false));
        assert_eq!(login.root_password.as_deref(), Some("r'o;t"));
        assert_eq!(kept.options, ["--max-connections=50"]);
        let both = [("MARIADB_ROOT_PASSWORD", "new"), ("MYSQL_ROOT_PASSWORD", "old")];
        assert_eq!(said("mariadb", "mariadb:11", &both, &[]).unwrap().login.root_password.as_deref(), Some("new"));
        assert!(
            said("mariadb", "mariadb:11", &[("MARIADB_RANDOM_ROOT_PASSWORD", "1")], &[])
                .unwrap()
                .login
                .root_password
                .is_none()
        );
        for (env, why) in [
            (vec![("MYSQL_ALLOW_EMPTY_PASSWORD", "yes")], "no password"),
            (vec![], "no root password"),
            (vec![("MYSQL_ROOT_PASSWORD", "x"), ("MYSQL_USER", "app")], "without a password"),
            (vec![("MYSQL_ROOT_PASSWORD", "x"), ("MYSQL_USER", "root"), ("MYSQL_PASSWORD", "x")], "cannot be root"),
            (vec![("MYSQL_ROOT_PASSWORD", "-x")], "password"),
        ] {
            assert!(said("mysql", "mysql:8", &env, &[]).unwrap_err().contains(why), "{why}");
        }
    }

    #[test]
    fn redis_is_a_service_with_a_password_only() {
        let kept =
            said("redis", "redis:7", &[], &["redis-server", "--appendonly", "yes", "--requirepass", "s3cret"]).unwrap();
        assert_eq!(kept.login.password.as_deref(), Some("s3cret"));
        assert_eq!(kept.options, ["--appendonly", "yes"]);
        assert!(said("redis", "redis:7", &[], &[]).unwrap_err().contains("no password"));
        assert!(
            said("redis", "redis:7", &[], &["redis-server", "/etc/redis.conf"]).unwrap_err().contains("configuration")
        );
        assert!(said("redis", "redis:7", &[], &["sh", "-c", "redis-server"]).unwrap_err().contains("of its own"));
        let memcached = said("memcached", "memcached:1", &[], &["memcached", "-m", "64"]).unwrap();
        assert_eq!(memcached.options, ["-m", "64"]);
    }
}
