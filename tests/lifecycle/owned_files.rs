//! Secrets and configs that belong to another user of the container: copied in before it starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::Bench;

const FILE: &str = "\
services:
  web:
    image: acme/web:1
    secrets: [{source: token, uid: '1000', gid: '1001', mode: 0400}]
  db:
    image: postgres:16
    configs: [{source: conf, target: /etc/db.conf, uid: '70'}]
secrets: {token: {file: ./token}}
configs: {conf: {content: one}}
";

fn copies(bench: &Bench, mark: usize) -> Vec<String> {
    let calls = bench.calls(mark).into_iter();
    let mut all: Vec<String> =
        calls.filter_map(|call| Some(call.split_once("container_copy ")?.1.split_once(' ')?.1.to_owned())).collect();
    all.sort();
    all
}

#[test]
fn each_container_gets_a_copy_and_a_changed_content_a_new_container() {
    let bench = Bench::new(FILE);
    bench.write("token", "t0ps3cret");
    let mark = bench.mark();
    bench.import(&[]).ends(0).keeps_quiet_about("t0ps3cret");
    assert_eq!(copies(&bench, mark), ["/etc/db.conf 70:0:444", "/run/secrets/token 1000:1001:400"]);
    let file = bench.project_file("secrets/token-0600");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!bench.calls(mark).iter().any(|call| call.contains("t0ps3cret")));
    bench.plan(&["--detailed-exitcode"]).ends(0);

    // Also those that Dokku makes without an import, one-off runs too.
    let mark = bench.mark();
    bench.dokku(&["ps:restart", "shop-web"]).ends(0);
    bench.dokku(&["run", "shop-web", "true"]).ends(0);
    assert_eq!(copies(&bench, mark), ["/run/secrets/token 1000:1001:400"; 2]);

    bench.write("token", "0ther");
    bench.edit("content: one", "content: two");
    let mark = bench.mark();
    bench.import(&[]).ends(0).says("a mounted file changed");
    assert_eq!(copies(&bench, mark), ["/etc/db.conf 70:0:444", "/run/secrets/token 1000:1001:400"]);
    bench.edit("uid: '1000', gid: '1001', mode: 0400", "uid: '1002', mode: 0400");
    let mark = bench.mark();
    bench.import(&[]).ends(0);
    assert_eq!(copies(&bench, mark), ["/run/secrets/token 1002:0:400"]);
    bench.run(&["destroy", "shop", "--force"]).ends(0);
    assert!(!file.exists());
}

#[test]
fn what_cannot_be_owned_is_told() {
    let bench = Bench::new(&FILE.replace("uid: '70'", "uid: postgres"));
    bench.write("token", "t0ps3cret");
    bench.import(&[]).ends(1).says("uid of conf is no number").says("compose.yaml:7:");
    let bench = Bench::new(&FILE.replace("image: acme/web:1", "image: acme/web:1\n    read_only: true"));
    bench.write("token", "t0ps3cret");
    bench.plan(&[]).ends(0).says("web.secrets[0].uid is not done").says("read-only");
}
