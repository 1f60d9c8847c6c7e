//! A file's databases become services, and what the file says of them is true.

use crate::{FILE, SECRETS, bench, holding, services, statements};

#[test]
fn a_files_databases_become_services_with_its_users_and_names() {
    let bench = bench(FILE);
    bench
        .plan(&[])
        .ends(0)
        .says("+ db       postgres service shop-db")
        .says("+ sql      mysql service shop-sql")
        .says("+ cache    redis service shop-cache")
        .says("+ migrate  job");
    let mark = bench.mark();
    bench.import(&[]).ends(0);
    assert_eq!(services(&bench, "postgres"), ["shop-db"]);
    let info = bench.dokku(&["postgres:info", "shop-db"]).out;
    assert!(info.contains("postgres:16.4") && info.contains("-c max_connections=50"), "{info}");
    assert!(info.contains("shop_default"), "{info}");
    let calls = bench.calls(mark);
    let one = |word: &str| calls.iter().filter(|call| call.contains(word)).count();
    assert_eq!((one("postgres:create"), one("mysql:create"), one("redis:create")), (1, 1, 1), "{calls:#?}");
    assert_eq!(one(":link "), 3, "one link a datastore: {calls:#?}");
    assert!(
        calls.iter().any(|call| call.contains("--memory 256") && call.contains("--shm-size 134217728")),
        "{calls:#?}"
    );

    // The file's own users and databases, and its script, once, in its database.
    let told = statements(&bench, "postgres/shop-db");
    assert!(told.contains(r#"ALTER ROLE "app" LOGIN SUPERUSER PASSWORD 'pg-own-secret-1';"#), "{told}");
    assert!(told.contains(r#"CREATE DATABASE "shop" OWNER "app""#), "{told}");
    assert!(told.contains("\\connect \"shop\" \"app\"\nCREATE TABLE first"), "{told}");
    let told = statements(&bench, "mysql/shop-sql");
    assert!(told.contains("CREATE DATABASE IF NOT EXISTS `blog`;"), "{told}");
    assert!(told.contains("CREATE USER IF NOT EXISTS 'writer'@'%' IDENTIFIED BY 'my-own-secret-3';"), "{told}");
    let dsn = bench.dokku(&["redis:info", "shop-cache", "--dsn"]).out;
    assert_eq!(dsn.trim(), "redis://:re-own-secret-4@dokku-redis-shop-cache:6379");
    // The plugin's own commands are of the file's database.
    let dsn = bench.dokku(&["postgres:info", "shop-db", "--dsn"]).out;
    assert!(dsn.trim().ends_with("@dokku-postgres-shop-db:5432/shop"), "{dsn}");
    let root = std::fs::read_to_string(bench.world.path("lib/services/mysql/shop-sql/ROOTPASSWORD")).unwrap();
    assert_eq!(root.trim(), SECRETS[1]);
    assert!(bench.dokku(&["redis:info", "shop-cache"]).out.contains("6379->127.0.0.1:16379"));

    // Names, on the first network and on a further one; not where the file has no network in common.
    for name in ["db", "the-database", "sql", "cache"] {
        bench.dokku(&["run", "shop-api", "getent", "hosts", name]).ends(0);
    }
    bench.dokku(&["run", "shop-other", "getent", "hosts", "db"]).ends(2);

    // The variable that the file sets is the file's; one that it does not set is offered.
    let config = bench.dokku(&["config:export", "--format", "json", "shop-api"]).out;
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["DATABASE_URL"], "postgres://app:pg-own-secret-1@db:5432/shop");
    assert_eq!(config["REDIS_URL"], "redis://:re-own-secret-4@dokku-redis-shop-cache:6379");
    bench.dokku(&["postgres:destroy", "shop-db", "--force"]).ends(1).says("Cannot delete linked service");
    let engine = std::fs::read_to_string(bench.world.path("engine/state.json")).unwrap();
    assert!(!engine.contains("shop_data\""), "the plugin has a place of its own for the data");
}

#[test]
fn a_second_import_does_nothing_and_asks_little() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    let mark = bench.mark();
    bench.import(&[]).ends(0).says("up to date");
    let calls = bench.calls(mark);
    let asked: Vec<_> = calls.iter().filter(|call| call.starts_with("--quiet") || call.contains(":info")).collect();
    assert_eq!(asked, ["--quiet mysql:list", "--quiet postgres:list", "--quiet redis:list"], "{calls:#?}");
    bench.run(&["status", "shop"]).ends(0).says("datastore").says("shop-db").says("1/1");
}

#[test]
fn passwords_stand_in_no_argument_and_no_record() {
    let bench = bench(FILE);
    let ran = bench.import(&["--operations"]).ends(0);
    for secret in SECRETS {
        assert!(!ran.all().contains(secret), "{secret} in {}", ran.all());
        let calls = bench.calls(0);
        let word = |call: &&String| call.contains(secret) && !call.starts_with("container_create shop-");
        assert_eq!(calls.iter().find(word), None);
        let mut found = Vec::new();
        holding(&bench.world.path("lib/data/compose"), secret, &mut found);
        // A version keeps the texts of its secrets in private files, for a rollback, and the file as it was read.
        found.retain(|path| !path.contains("/secrets/") && !path.contains("/files/"));
        assert!(found.is_empty(), "{secret} in {found:#?}");
    }
}

#[test]
fn two_projects_have_a_db_each() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    let other = FILE.replace("pg-own-secret-1", "pg-other-secret").replace("127.0.0.1:16379", "127.0.0.1:26379");
    bench.write("compose.yaml", &other);
    bench.run(&["import", "blog", "stack"]).ends(0);
    assert_eq!(services(&bench, "postgres"), ["blog-db", "shop-db"]);
    let of = |app: &str| bench.dokku(&["run", app, "getent", "hosts", "db"]).ends(0).out;
    assert_ne!(of("shop-api").split_whitespace().next(), of("blog-api").split_whitespace().next());
    assert!(!statements(&bench, "postgres/shop-db").contains("pg-other-secret"));
}

#[test]
fn names_outlive_a_restart_of_the_datastore() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    bench.dokku(&["postgres:stop", "shop-db"]).ends(0);
    bench.dokku(&["postgres:start", "shop-db"]).ends(0);
    bench.dokku(&["run", "shop-api", "getent", "hosts", "db"]).ends(0);
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn secrets_of_files_are_read() {
    let file = "services:\n  db:\n    image: postgres:16\n    environment: {POSTGRES_USER: app, POSTGRES_PASSWORD_FILE: /run/secrets/pw}\n    secrets: [pw]\n  web:\n    image: acme/web:1\n    depends_on: [db]\nsecrets: {pw: {file: ./pw.txt}}\n";
    let bench = bench(file);
    bench.write("pw.txt", "from-a-file\n");
    bench.import(&[]).ends(0);
    assert!(statements(&bench, "postgres/shop-db").contains("PASSWORD 'from-a-file'"));
}

#[test]
fn whom_the_settings_of_a_service_name_is_tried_before_the_service_is_deployed() {
    let url = "DATABASE_URL: postgres://app:pg-own-secret-1@db:5432/shop";
    let reader = "DATABASE_URL: postgres://reader:reader-secret-5@db:5432/shop";
    let bench = bench(FILE);
    bench.edit(url, reader);
    let mark = bench.mark();
    let ran =
        bench.import(&[]).ends(3).says("reader cannot log in to shop-db").says("with DATABASE_URL the service api");
    assert!(ran.all().contains("compose.yaml:31:7"), "{}", ran.all());
    assert!(!ran.all().contains("reader-secret-5"), "{}", ran.all());
    assert!(!bench.calls(mark).iter().any(|call| call.starts_with("git:from-image")), "nothing is deployed");
    assert!(services(&bench, "postgres").is_empty());

    // A script of the file makes it.
    bench.write("init.sql", "CREATE ROLE \"reader\";\nALTER ROLE \"reader\" LOGIN PASSWORD 'reader-secret-5';\n");
    bench.import(&[]).ends(0);
    bench.plan(&["--detailed-exitcode"]).ends(0);

    // A database that is not there; who may do everything could make it.
    bench.edit("@db:5432/shop", "@db:5432/other");
    bench.import(&[]).ends(3).says("database \"other\" does not exist");
    bench.edit(&reader.replace("shop", "other"), &url.replace("shop", "other"));
    bench.import(&[]).ends(0);
}

#[test]
fn any_password_of_the_files_own_user_is_the_one_that_the_server_has() {
    let long = "x'\"%;\\".repeat(33) + "yz";
    assert_eq!(long.len(), 200);
    for password in
        [long.as_str(), "it's 100% \"odd\"; \\ $HOME -- /* # */", " leading and trailing ", "\u{e9}\u{1f600}"]
    {
        let bench = bench(FILE);
        let yaml = serde_json::to_string(&password.replace('$', "$$")).unwrap();
        bench.edit("POSTGRES_PASSWORD: pg-own-secret-1", &format!("POSTGRES_PASSWORD: {yaml}"));
        bench.edit("MYSQL_PASSWORD: my-own-secret-3", &format!("MYSQL_PASSWORD: {yaml}"));
        bench.edit("      DATABASE_URL: postgres://app:pg-own-secret-1@db:5432/shop\n", "      DB_HOST: db\n");
        let ran = bench.import(&[]).ends(0);
        assert!(!ran.all().contains(password.trim()), "{}", ran.all());
        for (service, user) in [("postgres/shop-db", "app"), ("mysql/shop-sql", "writer")] {
            let path = bench.world.path("lib/services").join(service).join("data/server.json");
            let server: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            // MySQL reads a doubled backslash as one.
            let has = server["users"][user].as_str().unwrap();
            let has = if user == "writer" { has.replace("\\\\", "\\") } else { has.to_owned() };
            assert_eq!(has, password, "{service}");
        }
        bench.plan(&["--detailed-exitcode"]).ends(0);
    }
}
