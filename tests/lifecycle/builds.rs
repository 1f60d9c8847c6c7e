//! Builds: once for services that share one, not at all where nothing changed, secrets by files that nobody else reads.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::Bench;

const SHARED: &str = "\
services:
  web:
    build: &build {context: app, dockerfile: app.Dockerfile}
    ports: ['8080:80']
    depends_on: {migrate: {condition: service_completed_successfully}}
  worker:
    build: *build
    command: [work]
  migrate:
    build: *build
    command: [migrate]
";

fn builds(calls: &[String]) -> usize {
    calls.iter().filter(|call| call.contains("image_build")).count()
}

#[test]
fn what_services_share_is_built_once_and_not_again_before_it_changes() {
    let bench = Bench::new(SHARED);
    bench.write("app/app.Dockerfile", "FROM acme/base:1\nCOPY . /src\n");
    bench.write("app/main.txt", "1");
    let mark = bench.mark();
    bench.import(&[]).ends(0).says("built once with worker, migrate");
    let calls = bench.calls(mark);
    assert_eq!(builds(&calls), 1, "{calls:#?}");
    assert_eq!(calls.iter().filter(|call| call.contains("git:from-image")).count(), 2, "{calls:#?}");
    assert!(!calls.iter().any(|call| call.contains("git:from-archive")), "{calls:#?}");
    bench.plan(&["--detailed-exitcode"]).ends(0);

    // A container more of the same build runs its image.
    bench.write("compose.yaml", &format!("{SHARED}  more:\n    build: *build\n    x-dokku: {{as: container}}\n"));
    let mark = bench.mark();
    bench.import(&[]).ends(0);
    assert_eq!(builds(&bench.calls(mark)), 0);

    bench.write("app/main.txt", "2");
    let mark = bench.mark();
    bench.import(&[]).ends(0).says("what it is built from changed");
    let calls = bench.calls(mark);
    assert_eq!(builds(&calls), 1, "{calls:#?}");
    assert_eq!(calls.iter().filter(|call| call.contains("git:from-image")).count(), 2, "{calls:#?}");
    bench.plan(&["--detailed-exitcode"]).ends(0);

    // Back without a build, and forth with the image that is there.
    let mark = bench.mark();
    bench.run(&["rollback", "shop", "v2"]).ends(0);
    bench.import(&[]).ends(0);
    assert_eq!(builds(&bench.calls(mark)), 0);
    bench.plan(&["--detailed-exitcode"]).ends(0);

    bench.run(&["destroy", "shop", "--force"]).ends(0);
    let engine = fs::read_to_string(bench.world.path("engine/state.json")).unwrap();
    assert!(!engine.contains("dokku-compose/shop"), "{engine}");
}

#[test]
fn a_build_that_fails_leaves_nothing() {
    let bench = Bench::new(SHARED);
    bench.write("app/app.Dockerfile", "FROM acme/base:1\nFORM nothing\n");
    bench.import(&[]).ends(3).says("unknown instruction");
    let engine = fs::read_to_string(bench.world.path("engine/state.json")).unwrap();
    assert!(!engine.contains("dokku-compose/shop"), "{engine}");
    assert!(!bench.dokku(&["apps:list"]).out.contains("shop"));
}

#[test]
fn a_secret_of_a_build_is_a_private_file_and_stands_nowhere_else() {
    let bench = Bench::new(
        "services:\n  web:\n    build: {context: app, secrets: [token]}\n  job:\n    build: {context: app, \
         secrets: [{source: token, target: npm}], pull: true}\n    restart: 'no'\nsecrets: {token: {file: ./token}}\n",
    );
    bench.write("app/Dockerfile", "FROM acme/base:1\nRUN --mount=type=secret,id=token true\n");
    bench.write("token", "t0ps3cret");
    bench.plan(&["--operations"]).ends(0).keeps_quiet_about("t0ps3cret");
    let mark = bench.mark();
    bench.import(&[]).ends(0).keeps_quiet_about("t0ps3cret");
    let calls = bench.calls(mark);
    assert!(!calls.iter().any(|call| call.contains("t0ps3cret")), "{calls:#?}");
    let file = bench.project_file("secrets/token-0600");
    assert_eq!(fs::read_to_string(&file).unwrap(), "t0ps3cret");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let option = format!("--secret=id=token,src={}", file.display());
    assert!(bench.dokku(&["docker-options:report", "shop-web"]).out.contains(&option));
    bench.plan(&["--detailed-exitcode"]).ends(0);

    // Another value is another build of both.
    bench.write("token", "0ther");
    bench.plan(&["--detailed-exitcode"]).ends(2).says("~ web").says("~ job");
    let mark = bench.mark();
    bench.import(&[]).ends(0).keeps_quiet_about("0ther");
    let calls = bench.calls(mark);
    assert_eq!(builds(&calls), 1, "{calls:#?}");
    assert!(calls.iter().any(|call| call.contains("git:from-archive shop-web") || call.contains("git:from-archive")));
    bench.run(&["destroy", "shop", "--force"]).ends(0);
    assert!(!file.exists());
}

#[test]
fn a_context_over_the_limit_is_told_with_its_place() {
    let bench = Bench::new("services:\n  web:\n    build:\n      context: app\n");
    bench.write("app/Dockerfile", "FROM acme/base:1\n");
    let large = bench.path("stack/app/disk.img");
    // Two gigabytes and a byte of nothing: they take no room.
    fs::File::create(&large).unwrap().set_len((2 << 30) + 1).unwrap();
    let mark = bench.mark();
    bench
        .import(&[])
        .ends(1)
        .says("error[unreadable-context]")
        .says("compose.yaml:4:7")
        .says("2 GiB")
        .says(".dockerignore");
    assert!(!bench.calls(mark).iter().any(|call| call.contains("create")));
    bench.write("app/.dockerignore", "*.img\n");
    bench.import(&[]).ends(0);
}
