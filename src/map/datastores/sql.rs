//! Statements by which a service gets the file's user, password and database. Each may be repeated.

use super::store::StoreLogin;
use super::table::Driver;

/// What makes user and database; empty where there is nothing beside the plugin's own.
pub fn login(driver: Driver, plugin: &str, login: &StoreLogin, password: Option<&str>) -> String {
    match driver {
        Driver::Postgres => postgres(login, password),
        Driver::Mysql => mysql(plugin, login, password),
        Driver::Redis | Driver::Open => String::new(),
    }
}

/// A query, and what its answer contains.
pub fn query(driver: Driver) -> Option<(&'static str, &'static str)> {
    match driver {
        Driver::Postgres => Some(("SELECT 'answer' || '-' || 'ready';\n", "answer-ready")),
        Driver::Mysql => Some(("SELECT CONCAT('answer', '-', 'ready');\n", "answer-ready")),
        Driver::Redis => Some(("PING\n", "PONG")),
        Driver::Open => None,
    }
}

/// A program of the service's container that logs in as the other services do: by address, name and password, which it reads
/// as a line. `None` where there is no user.
pub fn log_in(driver: Driver, user: &str, database: &str) -> Option<Vec<String>> {
    let script = match driver {
        Driver::Postgres => {
            "IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql -h \"$(hostname)\" -U \"$1\" -d \"$2\" -c 'SELECT 1'"
        }
        Driver::Mysql => {
            "IFS= read -r MYSQL_PWD; export MYSQL_PWD; \
             exec \"$(command -v mysql || command -v mariadb)\" -h \"$(hostname)\" --user=\"$1\" -e 'SELECT 1' ${2:+\"$2\"}"
        }
        Driver::Redis | Driver::Open => return None,
    };
    (!user.is_empty()).then(|| ["sh", "-c", script, "sh", user, database].map(str::to_owned).to_vec())
}

/// What a script of the file has before it: the images run it in the file's database, PostgreSQL's as its user.
pub fn enter_database(driver: Driver, login: &StoreLogin) -> String {
    match driver {
        Driver::Postgres => format!("\\connect {} {}\n", quoted(&login.database, '"'), quoted(&login.user, '"')),
        Driver::Mysql if !login.database.is_empty() => format!("USE {};\n", quoted(&login.database, '`')),
        _ => String::new(),
    }
}

/// `text` between `quote`s, which are doubled inside.
fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

/// The image's user is a superuser and owns the database of its choice.
fn postgres(login: &StoreLogin, password: Option<&str>) -> String {
    let (user, database) = (quoted(&login.user, '"'), quoted(&login.database, '"'));
    let literal = |text: &str| quoted(text, '\'');
    let mut out = String::new();
    if !login.plugins_user {
        let create = literal(&format!("CREATE ROLE {user}"));
        let name = literal(&login.user);
        out.push_str(&format!(
            "SELECT {create} WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name})\\gexec\n"
        ));
        let password = password.map(|password| format!(" PASSWORD {}", literal(password))).unwrap_or_default();
        // As a literal a backslash stands for itself, whatever the server is set to.
        out.push_str("SET standard_conforming_strings = on;\n");
        out.push_str(&format!("ALTER ROLE {user} LOGIN SUPERUSER{password};\n"));
    }
    if login.database != "postgres" {
        let create = literal(&format!("CREATE DATABASE {database} OWNER {user}"));
        let name = literal(&login.database);
        out.push_str(&format!(
            "SELECT {create} WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name})\\gexec\n"
        ));
    }
    out
}

/// A user of the image may do everything in its database, and nothing else.
fn mysql(plugin: &str, login: &StoreLogin, password: Option<&str>) -> String {
    let literal = |text: &str| quoted(&text.replace('\\', "\\\\"), '\'');
    let mut out = String::new();
    if !login.database.is_empty() {
        out.push_str(&format!("CREATE DATABASE IF NOT EXISTS {};\n", quoted(&login.database, '`')));
        // The plugin's own user, as whom it dumps the database.
        out.push_str(&format!("GRANT ALL ON {}.* TO '{plugin}'@'%';\n", granted(&login.database)));
    }
    if login.user.is_empty() {
        return out;
    }
    let user = format!("{}@'%'", literal(&login.user));
    if let (false, Some(password)) = (login.plugins_user, password) {
        let by = format!("IDENTIFIED BY {}", literal(password));
        out.push_str(&format!("CREATE USER IF NOT EXISTS {user} {by};\nALTER USER {user} {by};\n"));
    }
    if !login.database.is_empty() {
        out.push_str(&format!("GRANT ALL ON {}.* TO {user};\n", granted(&login.database)));
    }
    out
}

/// In a grant, `_` and `%` of a database's name stand for any characters.
fn granted(database: &str) -> String {
    quoted(&database.replace('_', "\\_").replace('%', "\\%"), '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str, database: &str, plugins_user: bool) -> StoreLogin {
        StoreLogin { user: user.into(), database: database.into(), plugins_user, ..StoreLogin::default() }
    }

    #[test]
    fn names_and_passwords_are_quoted_for_postgres() {
        let text = login(Driver::Postgres, "postgres", &of("a\"b", "d'b", false), Some("p'w;\\ \"%\""));
        assert!(text.contains(r#"ALTER ROLE "a""b" LOGIN SUPERUSER PASSWORD 'p''w;\ "%"';"#), "{text}");
        assert!(text.contains(r#"SELECT 'CREATE DATABASE "d''b" OWNER "a""b"' WHERE"#), "{text}");
        assert!(text.contains("datname = 'd''b'"), "{text}");
        assert_eq!(login(Driver::Postgres, "postgres", &of("postgres", "postgres", true), Some("x")), "");
        assert_eq!(enter_database(Driver::Postgres, &of("app", "shop", false)), "\\connect \"shop\" \"app\"\n");
    }

    #[test]
    fn names_and_passwords_are_quoted_for_mysql() {
        let text = login(Driver::Mysql, "mysql", &of("app", "my_db", false), Some("p'w\\"));
        assert!(text.contains(r"ALTER USER 'app'@'%' IDENTIFIED BY 'p''w\\';"), "{text}");
        assert!(text.contains(r"GRANT ALL ON `my\_db`.* TO 'app'@'%';"), "{text}");
        assert!(text.starts_with("CREATE DATABASE IF NOT EXISTS `my_db`;"), "{text}");
        let own = login(Driver::Mysql, "mysql", &of("mysql", "shop", true), Some("x"));
        assert!(!own.contains("IDENTIFIED") && own.contains("GRANT ALL"), "{own}");
    }
}
