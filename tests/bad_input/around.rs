//! Files that are right by themselves and wrong here: for what the server has, or for what lies beside them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use dokku_compose::sandbox::{Behaviour, Play, World};

use crate::server::Server;

/// A server with another project, whose container holds a volume and whose network a subnet.
fn with_another_project() -> Server {
    let server = Server::new();
    let text = "services:\n  one: {image: \"app:1\", volumes: [\"data:/data\"], networks: [n], x-dokku: {as: container}}\n\
                volumes: {data: {name: shared}}\n\
                networks: {n: {ipam: {config: [{subnet: 10.8.0.0/16}]}}}\n";
    server.source("other", text);
    let ran = server.import("other", &["other"]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    server
}

#[test]
fn a_volume_that_a_foreign_container_uses_is_left_to_it() {
    let server = with_another_project();
    server.source(
        "bad",
        "services:\n  web: {image: \"app:1\", volumes: [\"data:/data\"]}\nvolumes: {data: {name: shared}}\n",
    );
    let says = ["error[volume-in-use]", "compose.yaml:3:11", "shared is in use by other-one"];
    server.unharmed("a volume in use", 1, &says, || server.import("new", &["bad"]));
}

#[test]
fn a_subnet_that_another_network_has_is_refused() {
    let server = with_another_project();
    let text = "services:\n  web: {image: \"app:1\", networks: [n]}\n\
                networks:\n  n:\n    ipam:\n      config:\n        - subnet: 10.8.4.0/24\n";
    server.source("bad", text);
    let says = ["error[subnet-taken]", "compose.yaml:7:", "10.8.0.0/16", "choose a subnet that is free"];
    server.unharmed("a subnet that is taken", 1, &says, || server.import("new", &["bad"]));
}

#[test]
fn what_lies_beside_the_file_and_cannot_be_taken_is_told() {
    let server = Server::new();
    let text = "services:\n  web:\n    image: app:1\n    volumes: [\"./link:/conf\"]\n";
    let dir = server.source("linked", text);
    symlink("/etc", dir.join("link")).unwrap();
    let says = ["error[host-path]", "compose.yaml:4:15", "allowed-host-paths /etc"];
    server.unharmed("a refused path by a link", 1, &says, || server.import("new", &["linked"]));

    let dir =
        server.source("unread", "services:\n  web: {image: \"app:1\", secrets: [s]}\nsecrets: {s: {file: ./secret}}\n");
    fs::create_dir(dir.join("secret")).unwrap();
    let says = ["error[unreadable-file]", "compose.yaml:2:", "secret"];
    server.unharmed("a secret that is no file", 1, &says, || server.import("new", &["unread"]));

    let dir = server.source("large", "services:\n  web:\n    build:\n      context: .\n");
    fs::write(dir.join("Dockerfile"), "FROM scratch\n").unwrap();
    // It takes no room on the disk.
    fs::File::create(dir.join("image.iso")).unwrap().set_len((2 << 30) + 1).unwrap();
    let says = ["error[unreadable-context]", "compose.yaml:4:", "2 GiB", ".dockerignore"];
    server.unharmed("a build context that is too large", 1, &says, || server.import("new", &["large"]));
}

/// The program does not know what an image has at the target: the engine says it, and the import is undone.
#[test]
fn a_file_that_is_mounted_over_a_directory_is_told_and_undone() {
    const WORDS: &str = "Are you trying to mount a directory onto a file (or vice-versa)?";
    for form in ["app", "container", "job"] {
        let server = Server::new();
        let play = Play { start_error: format!("failed to create task for container: {WORDS}"), ..Play::default() };
        let containers = BTreeMap::from([("new-web*".to_owned(), play)]);
        World::new(&server.world()).set_behaviour(&Behaviour { containers, ..Behaviour::default() }).unwrap();
        let text = format!(
            "services:\n  db: {{image: \"app:1\"}}\n  web:\n    image: web-server:1\n    depends_on: [db]\n    \
             volumes: [\"./site.conf:/etc/web-server\"]\n    x-dokku: {{as: {form}}}\n"
        );
        let dir = server.source("bad", &text);
        fs::write(dir.join("site.conf"), "listen 80\n").unwrap();
        let says = [WORDS, "asked for at compose.yaml:3:3", "rolled back", "everything is as it was before"];
        server.unharmed(form, 3, &says, || server.import("new", &["bad"]));
    }
}
