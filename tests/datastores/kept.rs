//! What happens to a service later: changes, removal, and somebody's hand.

use std::fs;

use serde_json::json;

use crate::{FILE, bench, services, statements};

fn fault(bench: &crate::bench::Bench, fault: serde_json::Value) {
    fs::write(bench.world.path("faults.json"), json!({ "dokku": [fault] }).to_string()).unwrap();
}

#[test]
fn destroy_leaves_the_data_and_an_import_takes_it_up_again() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    bench.run(&["destroy", "shop", "--force"]).ends(0).says("postgres service shop-db");
    assert_eq!(services(&bench, "postgres"), ["shop-db"]);
    assert!(!bench.dokku(&["apps:list"]).out.contains("shop"));
    bench.dokku(&["postgres:stop", "shop-db"]).ends(0);
    bench.dokku(&["postgres:start", "shop-db"]).ends(0);
    let before = statements(&bench, "postgres/shop-db");
    bench.import(&[]).ends(0).says("postgres service shop-db");
    let after = statements(&bench, "postgres/shop-db");
    assert!(!after[before.len()..].contains("CREATE TABLE first"), "the script ran once: {after}");
    bench.dokku(&["run", "shop-api", "getent", "hosts", "db"]).ends(0);
    bench.plan(&["--detailed-exitcode"]).ends(0);

    bench.run(&["destroy", "shop", "--force", "--datastores"]).ends(0);
    assert!(services(&bench, "postgres").is_empty() && services(&bench, "redis").is_empty());
    bench.import(&[]).ends(0);
    assert!(statements(&bench, "postgres/shop-db").contains("CREATE TABLE first"));
}

#[test]
fn a_service_that_left_the_file_is_never_pruned() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    let text = fs::read_to_string(bench.path("stack/compose.yaml")).unwrap();
    let (from, to) = (text.find("  sql:").unwrap(), text.find("  cache:").unwrap());
    bench.write("compose.yaml", &format!("{}{}", &text[..from], &text[to..]).replace("      BLOG_HOST: sql\n", ""));
    bench.import(&["--prune"]).ends(0).says("stays with its data");
    assert_eq!(services(&bench, "mysql"), ["shop-sql"]);
    bench.run(&["destroy", "shop", "--force", "--datastores"]).ends(0);
    assert!(services(&bench, "mysql").is_empty());
}

#[test]
fn a_changed_password_is_set_inside_and_back_where_the_import_fails() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    bench.edit("POSTGRES_PASSWORD: pg-own-secret-1", "POSTGRES_PASSWORD: pg-new-secret");
    bench.edit("app:pg-own-secret-1@db", "app:pg-new-secret@db");
    fault(&bench, json!({ "match": "*ps:restart*", "do": "fail", "exit": 1, "message": "no" }));
    bench.import(&[]).ends(3);
    let told = statements(&bench, "postgres/shop-db");
    let (new, old) = (told.rfind("'pg-new-secret'").unwrap(), told.rfind("'pg-own-secret-1'").unwrap());
    assert!(new < old, "{told}");
    fs::remove_file(bench.world.path("faults.json")).unwrap();
    bench.import(&[]).ends(0).says("user, password or database changed in the file");
    assert!(statements(&bench, "postgres/shop-db").ends_with("ready';\n"));
    assert!(statements(&bench, "postgres/shop-db").rfind("'pg-new-secret'") > Some(old));
}

#[test]
fn what_the_plugin_fixes_is_an_error_with_what_to_do() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    for (from, to, why) in [
        ("postgres:16.4", "postgres:17.1", "of another series"),
        ("postgres:16.4", "postgres:16.3", "it is an older version"),
        ("postgres:16.4", "postgres:16.9-alpine", "built in different ways"),
        ("my-root-secret-2", "another-root", "the superuser's password of sql changed"),
    ] {
        bench.edit(from, to);
        bench.import(&[]).ends(1).says(why).says("nothing was changed");
        bench.edit(to, from);
    }
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn one_that_somebody_stopped_is_started_and_one_that_is_gone_is_told() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    bench.dokku(&["postgres:stop", "shop-db"]).ends(0);
    bench.run(&["status", "shop"]).ends(0).says("0 of 1 containers run");
    bench.import(&[]).ends(0).says("drift: it does not run");
    bench.plan(&["--detailed-exitcode"]).ends(0);
    bench.dokku(&["redis:unlink", "shop-cache", "shop-api", "--no-restart"]).ends(0);
    bench.import(&[]).ends(0).says("is not linked to cache");
    assert_eq!(bench.dokku(&["redis:links", "shop-cache"]).out.trim(), "shop-api");
    bench.dokku(&["redis:unlink", "shop-cache", "shop-api", "--no-restart"]).ends(0);
    bench.dokku(&["redis:destroy", "shop-cache", "--force"]).ends(0);
    bench.run(&["status", "shop"]).ends(0).says("the redis service is gone, and its data with it");
    bench.import(&[]).ends(0);
    assert_eq!(services(&bench, "redis"), ["shop-cache"]);
}

#[test]
fn the_plugin_that_went_does_not_make_it_a_container() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    bench.world.set_datastores(&[("mysql", "1.44.3"), ("redis", "1.43.0")]).unwrap();
    bench.plan(&[]).ends(1).says("db would become a container now").says("is a datastore on the server");
}
