//! What a service's own client answers, as far as its statements can be told by their words. What it was told is kept in
//! `statements.sql` of the service; `faults/refused-statements` holds texts at which a server says no, a line each.

use super::super::super::carried;
use super::super::super::ctx::{Answer, Ctx, Stop, fail};
use super::super::super::engine::state::{Container, State};
use super::super::super::world::{read_text, write_whole};
use super::server::Server;
use super::{Kind, Service, existing};

/// `:connect`: the client reads standard input.
pub(super) fn connect(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service) = existing(ctx, kind, words, &[])?;
    up(ctx, &service)?;
    let text = told(ctx, &service)?;
    match kind.name {
        "postgres" => postgres(ctx, &text),
        "redis" => {
            ctx.error_line(
                "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.",
            );
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let reply = if line.trim().eq_ignore_ascii_case("ping") { "PONG" } else { "OK" };
                ctx.line(reply);
            }
            Ok(())
        }
        "mysql" | "mariadb" => {
            let own = service.database();
            // The client is the service's own limited user.
            mysql(ctx, &text, Some((kind.user, &own)))
        }
        _ => Ok(()),
    }
}

/// `:enter COMMAND`: a program of the container. It reads standard input only where `DOKKU_RUN_OPTS` says so
/// (`service_enter` gives the options to `docker container exec`).
pub(super) fn enter(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service) = existing(ctx, kind, &words[..words.len().min(1)], &[])?;
    up(ctx, &service)?;
    ctx.step("Filesystem changes may not persist after container restarts");
    let reads = std::env::var("DOKKU_RUN_OPTS").is_ok_and(|options| options.split(' ').any(|one| one == "-i"));
    if let Some(at) = words.iter().skip(1).position(|word| word.starts_with("carry-")).filter(|_| reads) {
        return carry(ctx, &service, &words[at + 1..]);
    }
    let client = |name: &str| words.iter().any(|word| word.contains(name));
    if client("pg_dump") {
        let database = words.last().map(String::as_str).unwrap_or_default();
        let held = Server::load(&service);
        if database != service.database() && !held.databases.contains_key(database) {
            return fail(format!("pg_dump: error: database \"{database}\" does not exist"));
        }
        ctx.line("--\n-- PostgreSQL database dump\n--");
        for statement in held.databases.get(database).into_iter().flatten() {
            ctx.line(statement);
        }
        return Ok(());
    }
    if !(reads && (client("mysql") || client("psql"))) {
        return Ok(());
    }
    if client("read -r") {
        return log_in(ctx, &service, words);
    }
    let text = told(ctx, &service)?;
    mysql(ctx, &text, None)
}

/// A client that reads a password and logs in as the user that is named before the database: one whom the service was told of.
fn log_in(ctx: &mut Ctx, service: &Service<'_>, words: &[String]) -> Answer {
    let password = String::from_utf8_lossy(&ctx.read_stdin()?).trim_end_matches('\n').to_owned();
    let user = words.iter().rev().nth(1).cloned().unwrap_or_default();
    let server = Server::load(service);
    let own = user == service.kind.user && password == service.file("PASSWORD");
    // MySQL reads a doubled backslash as one.
    let literal = password.replace('\\', "\\\\");
    let database = words.last().cloned().unwrap_or_default();
    let usual = ["", "postgres", "mysql"].contains(&database.as_str()) || database == service.database();
    if !usual && !server.databases.contains_key(&database) {
        ctx.error_line(&format!("FATAL:  database \"{database}\" does not exist"));
        return Err(Stop::Exit(2));
    }
    if own || server.users.get(&user).is_some_and(|known| *known == password || *known == literal) {
        return Ok(());
    }
    ctx.error_line(&format!("FATAL:  password authentication failed for user \"{user}\""));
    Err(Stop::Exit(2))
}

/// Data of before: a dump is read, or the sums of what is there are printed.
fn carry(ctx: &mut Ctx, service: &Service<'_>, words: &[String]) -> Answer {
    let text = String::from_utf8_lossy(&ctx.read_stdin()?).into_owned();
    let text = match text.split_once('\n') {
        // Without users a client says the password first.
        Some((password, rest)) if service.kind.name == "redis" => {
            if password != service.file("PASSWORD") {
                ctx.error_line("NOAUTH Authentication required.");
                return Err(Stop::Exit(1));
            }
            rest.to_owned()
        }
        _ => text,
    };
    let mut server = Server::load(service);
    match words[0].as_str() {
        "carry-restore" if text.starts_with("CREATE ") => server.obey(&text, &service.database()),
        "carry-restore" => {
            if let Err(said) = carried::restore(&ctx.world, &text, &mut server.databases) {
                ctx.error_line(&said);
                return Err(Stop::Exit(1));
            }
        }
        _ => {
            let unit = words.get(2).map_or("", String::as_str);
            ctx.raw(&carried::sums(unit, &server.databases));
            return Ok(());
        }
    }
    server.save(service)
}

fn up(ctx: &Ctx, service: &Service<'_>) -> Answer {
    if State::load(&ctx.world)?.container(&service.container()).is_some_and(Container::active) {
        return Ok(());
    }
    fail(format!("Service {} container is not running", service.name))
}

/// Reads what the client is told, and keeps it. A refused statement ends it, as each client does that reads no terminal.
fn told(ctx: &mut Ctx, service: &Service<'_>) -> Answer<String> {
    let text = String::from_utf8_lossy(&ctx.read_stdin()?).into_owned();
    let record = service.root().join("statements.sql");
    write_whole(&record, format!("{}{text}", read_text(&record)).as_bytes())?;
    let refused = read_text(&ctx.world.path("faults/refused-statements"));
    if let Some(word) = refused.lines().find(|word| !word.is_empty() && text.contains(word)) {
        ctx.error_line(&format!("ERROR:  the server refuses {word}"));
        return Err(Stop::Exit(3));
    }
    if matches!(service.kind.name, "postgres" | "mysql" | "mariadb") {
        let mut server = Server::load(service);
        server.obey(&text, &service.database());
        server.save(service)?;
    }
    Ok(text)
}

fn postgres(ctx: &mut Ctx, text: &str) -> Answer {
    for statement in text.split([';', '\n']).map(str::trim).filter(|statement| !statement.is_empty()) {
        if statement == "SELECT 'answer' || '-' || 'ready'" {
            for line in ["   ?column?   ", "--------------", " answer-ready", "(1 row)", ""] {
                ctx.line(line);
            }
            continue;
        }
        let words: Vec<String> = statement.split_whitespace().take(2).map(str::to_uppercase).collect();
        match words.first().map(String::as_str) {
            Some("CREATE" | "ALTER" | "DROP") => ctx.line(&words.join(" ")),
            Some("GRANT" | "REVOKE" | "SET") => ctx.line(&words[0]),
            _ => {}
        }
    }
    Ok(())
}

/// `limited`: a user and the only database that it may touch.
fn mysql(ctx: &mut Ctx, text: &str, limited: Option<(&str, &str)>) -> Answer {
    for (number, line) in text.lines().enumerate() {
        for statement in line.split(';').map(str::trim) {
            if statement == "SELECT CONCAT('answer', '-', 'ready')" {
                ctx.line("CONCAT('answer', '-', 'ready')");
                ctx.line("answer-ready");
            }
            let words: Vec<&str> = statement.split_whitespace().collect();
            let ([verb, what, name, ..], Some((user, own))) = (words.as_slice(), limited) else { continue };
            if verb.eq_ignore_ascii_case("create") && what.eq_ignore_ascii_case("database") && *name != own {
                for line in ["--------------", statement, "--------------", ""] {
                    ctx.error_line(line);
                }
                ctx.error_line(&format!(
                    "ERROR 1044 (42000) at line {}: Access denied for user '{user}'@'%' to database '{name}'",
                    number + 1
                ));
                return Err(Stop::Exit(1));
            }
        }
    }
    Ok(())
}
