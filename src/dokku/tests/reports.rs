//! Reports while apps come and go.

use super::*;

#[test]
fn reports_of_all_apps_take_one_call() {
    let world = World::new(r#"echo '{"tld":"one"}'; echo '{"tld":"two"}'; echo ' !     warning' >&2"#);
    let dokku = world.dokku();
    let reports = dokku.reports("network", &names(&["a", "b"])).unwrap();
    assert_eq!((reports["a"].text("tld"), reports["b"].text("tld"), reports.len()), ("one", "two", 2));
    assert_eq!(dokku.reports("network", &[]).unwrap(), Reports::new());
    assert_eq!(world.calls(), ["dokku network:report --format json"]);
}

/// `apps:list` answers with the next line of `WORLD/lists` each time, the last one for ever; a
/// report of all apps has as many lines as `WORLD/lines` says, an app's own report has its name.
const CHANGING: &str = r#"case "$1" in
  apps:list) head -n 1 $W/lists; [ $(wc -l <$W/lists) = 1 ] || sed -i 1d $W/lists;;
  *) if [ "$2" = --format ]; then while read n; do echo "{\"tld\":\"all-$n\"}"; done <$W/lines
     elif [ "$2" = gone ]; then echo ' !     App gone does not exist' >&2; exit 20
     else echo "{\"tld\":\"own-$2\"}"; fi;;
esac"#;

#[test]
fn another_number_of_reports_means_asking_each_app() {
    let world = World::new(CHANGING);
    fs::write(world.path("lines"), "1\n2\n3\n").unwrap();
    let reports = world.dokku().reports("network", &names(&["a", "gone"])).unwrap();
    assert_eq!(reports.into_iter().collect::<Vec<_>>(), [("a".to_owned(), Report::from_iter([("tld", "own-a")]))]);
}

#[test]
fn an_exchange_of_apps_between_the_calls_is_noticed() {
    let world = World::new(CHANGING);
    fs::write(world.path("lines"), "1\n2\n").unwrap();
    fs::write(world.path("lists"), "[\"a\",\"b\"]\n[\"b\",\"c\"]\n[\"b\",\"c\"]\n").unwrap();
    let (apps, reports) = world.dokku().all_reports(&["network", "checks"], 2).unwrap();
    assert_eq!(apps, names(&["b", "c"]));
    assert_eq!((reports["network"]["b"].text("tld"), reports["checks"]["c"].text("tld")), ("all-1", "all-2"));
    assert_eq!(world.calls().iter().filter(|call| call.contains("network:report")).count(), 2);
}

#[test]
fn apps_that_keep_changing_are_asked_each() {
    let world = World::new(CHANGING);
    fs::write(world.path("lines"), "1\n").unwrap();
    fs::write(world.path("lists"), "[\"a\"]\n[\"b\"]\n[\"c\"]\n[\"d\"]\n").unwrap();
    let (apps, reports) = world.dokku().all_reports(&["network"], 4).unwrap();
    assert_eq!((apps, reports["network"]["d"].text("tld")), (names(&["d"]), "own-d"));
}
