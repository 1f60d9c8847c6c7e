//! Whether the settings of the services that use a datastore fit the user, password and port that it will have.
//!
//! Found are URLs (`postgres://app:pw@db:5432/shop`, JDBC, DSN) and sets of variables (`DB_HOST`, `DB_USER` ...). What cannot
//! work is an error before anything is made; what something else may still bring about (another user, another database) is not.

use super::store::{StoreSpec, StoreUse};
use super::table::{Datastore, Driver};
use crate::hashed::IndexMap;
use crate::map::context::Context;
use crate::map::resources::{DesiredService, Kind};
use crate::secret::Secret;

/// What a setting says of a datastore; an empty part says nothing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reference {
    user: String,
    password: String,
    port: String,
    database: String,
    /// The variables that say it.
    password_in: String,
    port_in: String,
}

/// Reports every reference that cannot work.
pub(in crate::map) fn check(ctx: &Context<'_>, services: &IndexMap<String, DesiredService>) {
    for store in services.values() {
        let Kind::Datastore(spec) = &store.kind else { continue };
        for (service, reference) in said(ctx, services, store, spec) {
            judge(ctx, &service, &store.name, spec, &reference);
        }
    }
}

/// What the other services that can reach a datastore say of it, with their names.
fn said(
    ctx: &Context<'_>,
    services: &IndexMap<String, DesiredService>,
    store: &DesiredService,
    spec: &StoreSpec,
) -> Vec<(String, Reference)> {
    let mut out = Vec::new();
    for service in services.values().filter(|service| service.name != store.name) {
        let Some(model) = ctx.compose.services.get(&service.name) else { continue };
        if service.networks.is_disjoint(&store.networks) {
            continue;
        }
        let environment: IndexMap<&str, &str> =
            model.environment.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))).collect();
        out.extend(references(&environment, spec).into_iter().map(|one| (service.name.clone(), one)));
    }
    out
}

/// Tells each datastore the users and databases that the settings of the others name, to be tried once it is there.
///
/// The file's own user is tried anyway. Where a service logs in as one who may do everything, it may make the other users and
/// databases itself, and nothing is said of them.
pub(in crate::map) fn uses(ctx: &Context<'_>, services: &mut IndexMap<String, DesiredService>) {
    let mut found: Vec<(String, Vec<StoreUse>)> = Vec::new();
    for store in services.values() {
        let Kind::Datastore(spec) = &store.kind else { continue };
        let driver = Datastore::of_plugin(&spec.plugin).and_then(|row| row.driver);
        let Some(driver @ (Driver::Postgres | Driver::Mysql)) = driver else { continue };
        let said = said(ctx, services, store, spec);
        let may_all = |user: &str| user == if driver == Driver::Postgres { spec.login.user.as_str() } else { "root" };
        if said.iter().any(|(_, one)| may_all(&one.user)) {
            continue;
        }
        let mut out: Vec<StoreUse> = Vec::new();
        for (service, one) in said {
            let own = one.user == spec.login.user && (one.database.is_empty() || one.database == spec.login.database);
            if own || one.user.is_empty() || one.password.is_empty() || one.user.contains('\0') {
                continue;
            }
            let tried = |other: &StoreUse| {
                (&other.user, &other.database) == (&one.user, &one.database)
                    && other.password.expose() == Some(one.password.as_str())
            };
            if !out.iter().any(tried) {
                out.push(StoreUse {
                    at: format!("services.{service}.environment.{}", one.password_in),
                    service,
                    variable: one.password_in,
                    user: one.user,
                    password: ctx.secret(one.password),
                    database: one.database,
                });
            }
        }
        found.push((store.name.clone(), out));
    }
    for (name, uses) in found {
        if let Some(Kind::Datastore(spec)) = services.get_mut(&name).map(|service| &mut service.kind) {
            spec.uses = uses;
        }
    }
}

fn judge(ctx: &Context<'_>, service: &str, store: &str, spec: &StoreSpec, reference: &Reference) {
    let path = |variable: &str| format!("services.{service}.environment.{variable}");
    let port = Datastore::of_plugin(&spec.plugin).map(|row| row.port.to_string()).unwrap_or_default();
    if !reference.port.is_empty() && reference.port != port {
        let message = format!("{service} looks for {store} on port {}, and it listens on {port}", reference.port);
        let hint = "between containers the container's port counts, not the published one";
        ctx.error("datastore-reference", &path(&reference.port_in), message, hint);
    }
    if !reference.password.is_empty()
        && let Some((user, password)) = expected(spec, &reference.user)
        && password.expose().is_some_and(|password| password != reference.password)
    {
        let message = format!("{service} has another password for {user} of {store} than {store} itself");
        let hint = "give both the same, best by one variable of the project";
        ctx.error("datastore-reference", &path(&reference.password_in), message, hint);
    }
}

/// The password that a user of the store has; `None` where the file does not say.
fn expected<'a>(spec: &'a StoreSpec, user: &str) -> Option<(&'a str, &'a Secret)> {
    let login = &spec.login;
    let mysql = spec.plugin == "mysql" || spec.plugin == "mariadb";
    if mysql && user == "root" {
        return Some(("root", login.root_password.as_ref()?));
    }
    let any = spec.plugin == "redis" && user.is_empty();
    (any || user == login.user).then_some(())?;
    Some((login.user.as_str(), login.password.as_ref()?))
}

fn references(environment: &IndexMap<&str, &str>, spec: &StoreSpec) -> Vec<Reference> {
    let known = |host: &str| spec.networks.iter().flat_map(|(_, names)| names).any(|name| name == host);
    let mut out = Vec::new();
    for (name, value) in environment {
        if let Some((host, mut reference)) = url(value).or_else(|| pairs(value)) {
            if known(&host) {
                (reference.password_in, reference.port_in) = ((*name).to_owned(), (*name).to_owned());
                out.push(reference);
            }
            continue;
        }
        let (host, port) = value.split_once(':').unwrap_or((value, ""));
        let prefix = ["HOSTNAME", "HOST", "SERVER", "ADDRESS", "ADDR"].iter().find_map(|end| name.strip_suffix(end));
        if let (Some(prefix), true) = (prefix, known(host)) {
            let mut reference = set(environment, prefix);
            if !port.is_empty() && port.chars().all(|char| char.is_ascii_digit()) {
                (reference.port, reference.port_in) = (port.to_owned(), (*name).to_owned());
            }
            out.push(reference);
        }
    }
    out
}

/// The variables beside a host's: `DB_USER`, `DB_PASSWORD`, `DB_PORT`.
fn set(environment: &IndexMap<&str, &str>, prefix: &str) -> Reference {
    let one = |ends: &[&str]| {
        ends.iter().find_map(|end| {
            let (name, value) = environment.get_key_value(format!("{prefix}{end}").as_str())?;
            Some(((*name).to_owned(), (*value).to_owned()))
        })
    };
    let (_, user) = one(&["USER", "USERNAME", "LOGIN"]).unwrap_or_default();
    let (password_in, password) = one(&["PASSWORD", "PASS", "PASSWD", "PWD"]).unwrap_or_default();
    let (port_in, port) = one(&["PORT"]).unwrap_or_default();
    let (_, database) = one(&["NAME", "DATABASE", "DB", "DBNAME"]).unwrap_or_default();
    let port = Some(port).filter(|port| port.chars().all(|char| char.is_ascii_digit())).unwrap_or_default();
    Reference { user, password, port, database, password_in, port_in }
}

/// Host and the rest of a URL of one host; `None` for what is none.
fn url(text: &str) -> Option<(String, Reference)> {
    let text = text.trim().strip_prefix("jdbc:").unwrap_or(text.trim());
    let (scheme, rest) = text.split_once("://")?;
    if scheme.is_empty() || !scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char)) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.contains([',', '[']) {
        return None;
    }
    // The drivers of Go write `user:password@tcp(host:port)/database`, without a scheme; that is not looked at.
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut out =
        Reference { user: decoded(user), password: decoded(password), port: port.to_owned(), ..Reference::default() };
    let path = tail.split(['?', '#', ';']).next().unwrap_or_default().trim_start_matches('/');
    out.database = decoded(path);
    let query = tail.split_once('?').map(|(_, query)| query).unwrap_or_default();
    for (name, value) in query.split(['&', ';']).filter_map(|pair| pair.split_once('=')) {
        match name {
            "user" if out.user.is_empty() => out.user = decoded(value),
            "password" if out.password.is_empty() => out.password = decoded(value),
            _ => {}
        }
    }
    Some((host.to_owned(), out))
}

/// Host and the rest of key-value strings: libpq's `host=db user=app`, .NET's `Server=db;User Id=app`.
fn pairs(text: &str) -> Option<(String, Reference)> {
    let between = if text.contains(';') { ';' } else { ' ' };
    let mut host = None;
    let mut out = Reference::default();
    for part in text.split(between).map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches(['\'', '"']).to_owned();
        match key.trim().to_ascii_lowercase().replace([' ', '_'], "").as_str() {
            "host" | "server" | "datasource" | "address" => {
                let (name, port) = value.split_once([',', ':']).unwrap_or((&value, ""));
                if !port.is_empty() {
                    out.port = port.to_owned();
                }
                host = Some(name.to_owned());
            }
            "port" => out.port = value,
            "user" | "userid" | "uid" | "username" => out.user = value,
            "password" | "pwd" => out.password = value,
            "dbname" | "database" | "initialcatalog" => out.database = value,
            _ => {}
        }
    }
    Some((host?, out))
}

/// `%40` to `@`.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_value_strings_are_taken_apart() {
        for text in [
            "host=db port=5432 user=app password=p%w dbname=shop sslmode=disable",
            "Server=db;Port=5432;User Id=app;Password='p%w';Database=shop;",
            "Data Source=db,5432;uid=app;pwd=p%w;Initial Catalog=shop",
        ] {
            let (host, it) = pairs(text).unwrap();
            let found = (host.as_str(), it.port.as_str(), it.user.as_str(), it.password.as_str(), it.database.as_str());
            assert_eq!(found, ("db", "5432", "app", "p%w", "shop"), "{text}");
        }
        assert!(pairs("db").is_none() && pairs("a=b").is_none() && pairs("").is_none());
    }

    #[test]
    fn urls_are_taken_apart() {
        let (host, it) = url("postgres://app:p%40w@db:5433/shop?sslmode=disable").unwrap();
        assert_eq!(
            (host.as_str(), it.user.as_str(), it.password.as_str(), it.port.as_str()),
            ("db", "app", "p@w", "5433")
        );
        let (host, it) = url("jdbc:mysql://sql/blog?user=writer&password=x%").unwrap();
        assert_eq!((host.as_str(), it.user.as_str(), it.password.as_str()), ("sql", "writer", "x%"));
        let (host, it) = url("redis://:pw@cache").unwrap();
        assert_eq!((host.as_str(), it.user.as_str(), it.password.as_str(), it.port.as_str()), ("cache", "", "pw", ""));
        for none in ["db", "just text", "mongodb://a,b/x", "://db", "postgres://[::1]:5432/x"] {
            assert_eq!(url(none), None, "{none}");
        }
    }

    #[test]
    fn sets_of_variables_are_found_by_their_beginning() {
        let spec = StoreSpec { networks: vec![("n".into(), vec!["db".into()])], ..StoreSpec::default() };
        let all: IndexMap<&str, &str> = [
            ("DB_HOST", "db"),
            ("DB_USER", "app"),
            ("DB_PASSWORD", "x"),
            ("PGHOST", "db:1"),
            ("PGPASSWORD", "y"),
            ("HOST", "other"),
        ]
        .into_iter()
        .collect();
        let found = references(&all, &spec);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].user.as_str(), found[0].password_in.as_str()), ("app", "DB_PASSWORD"));
        assert_eq!(
            (found[1].port.as_str(), found[1].port_in.as_str(), found[1].password.as_str()),
            ("1", "PGHOST", "y")
        );
    }
}
