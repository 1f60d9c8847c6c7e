//! Compose files that are wrong by themselves, and what must be said of each.

/// A file and what the import must say of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The compose file.
    pub(crate) text: &'static str,
    /// The place, `line:column`; empty where there is none.
    pub(crate) at: &'static str,
    /// What standard error must hold.
    pub(crate) says: &'static [&'static str],
}

pub(crate) const fn case(
    name: &'static str,
    text: &'static str,
    at: &'static str,
    says: &'static [&'static str],
) -> Case {
    Case { name, text, at, says }
}

/// Files that are wrong by themselves.
pub(crate) const FILES: &[Case] = &[
    case("an empty file", "", "1:1", &["error[empty-file]"]),
    case("no YAML", "this is not: [yaml\n", "1:14", &["error[yaml-syntax]", "never closed"]),
    case("a sentence", "just a sentence\n", "1:1", &["error[not-a-mapping]", "not a string"]),
    case("tabs", "services:\n\tweb:\n\t\timage: app:1\n", "2:1", &["error[yaml-tab]", "replace the tab with spaces"]),
    case(
        "an unknown section",
        "servces:\n  web: {image: app}\n",
        "1:1",
        &["error[unknown-key]", "did you mean `services`?"],
    ),
    case(
        "an unknown key",
        "services:\n  web:\n    image: app:1\n    enviroment: {A: 1}\n",
        "4:5",
        &["unknown key `enviroment` in service `web`", "did you mean `environment`?"],
    ),
    case(
        "a number for a list",
        "services:\n  web:\n    image: app:1\n    ports: 8080\n",
        "4:12",
        &["must be a list, not a number"],
    ),
    case("a list for a mapping", "services:\n  - web\n", "2:3", &["`services` must be a mapping, not a list"]),
    case("a list for a text", "services:\n  web:\n    image: [a]\n", "3:12", &["must be a string, not a list"]),
    case(
        "a key twice",
        "services:\n  web: {image: app:1}\n  web: {image: app:2}\n",
        "3:3",
        &["error[duplicate-key]", "first here", "keep one of the two"],
    ),
    case("an unknown anchor", "services:\n  web: *nope\n", "2:8", &["error[unknown-anchor]", "&nope"]),
    case(
        "an undefined dependency",
        "services:\n  web:\n    image: app:1\n    depends_on: [dbb]\n  db: {image: app:1}\n",
        "4:18",
        &["service `web` depends on the undefined service `dbb`", "did you mean `db`?"],
    ),
    case(
        "a cycle",
        "services:\n  a: {image: app, depends_on: [b]}\n  b: {image: app, depends_on: [c]}\n  c: {image: app, depends_on: [a]}\n",
        "2:32",
        &["error[dependency-cycle]", "`a` -> `b` -> `c` -> `a`"],
    ),
    case(
        "a service that waits for itself",
        "services:\n  web: {image: app, depends_on: [web]}\n",
        "2:34",
        &["`web` -> `web`"],
    ),
    case(
        "an undefined network",
        "services:\n  web:\n    image: app:1\n    networks: [front]\nnetworks: {frnt: {}}\n",
        "4:16",
        &["error[undefined-network]", "did you mean `frnt`?"],
    ),
    case(
        "an undefined volume",
        "services:\n  web:\n    image: app:1\n    volumes: [\"data:/data\"]\nvolumes: {dta: {}}\n",
        "4:15",
        &["error[undefined-volume]", "did you mean `dta`?"],
    ),
    case(
        "an undefined secret",
        "services:\n  web: {image: app, secrets: [s]}\n",
        "2:31",
        &["error[undefined-secret]", "declare it in the top-level section `secrets`"],
    ),
    case(
        "an invalid service name",
        "services:\n  \"we b\": {image: app}\n",
        "2:3",
        &["error[invalid-name]", "use letters, digits"],
    ),
    case(
        "an unset required variable",
        "services:\n  web:\n    image: app:1\n    environment:\n      P: ${DB_PASSWORD:?set it with config:set}\n",
        "5:10",
        &["required variable `DB_PASSWORD` is not set: set it with config:set"],
    ),
    case(
        "a missing env_file",
        "services:\n  web:\n    image: app:1\n    env_file: ./nope.env\n",
        "4:15",
        &["error[missing-file]", "`nope.env`", "required: false"],
    ),
    case(
        "the server's directories",
        "services:\n  web:\n    image: app:1\n    volumes: [\"/etc:/host-etc\"]\n",
        "4:15",
        &["the host path /etc is not allowed", "dokku compose:set --global allowed-host-paths /etc"],
    ),
    case(
        "the server's directories by a way round",
        "services:\n  web:\n    image: app:1\n    volumes: [\"/tmp/../etc:/host-etc\"]\n",
        "4:15",
        &["error[host-path]", "really /etc"],
    ),
    case(
        "a volume of one letter",
        "services:\n  web: {image: \"app:1\", volumes: [\"v:/v\"]}\nvolumes: {v: {}}\n",
        "2:35",
        &["error[relative-target]", "is not absolute", "a name of one letter is read as a Windows drive"],
    ),
    case(
        "a newline in an option",
        "services:\n  web:\n    image: app:1\n    hostname: \"a\\nb\"\n",
        "4:5",
        &["error[newline-in-option]", "--hostname has a line break"],
    ),
    case(
        "a newline in a label",
        "services:\n  web:\n    image: app:1\n    labels: {a: \"b\\nc\"}\n",
        "4:5",
        &["error[newline-in-option]", "--label has a line break"],
    ),
    case(
        "a port that is none",
        "services:\n  web: {image: app, ports: [\"99999:80\"]}\n",
        "2:29",
        &["error[invalid-port]"],
    ),
    case(
        "a duration that is none",
        "services:\n  web: {image: app, stop_grace_period: soon}\n",
        "2:40",
        &["error[invalid-duration]", "such as `1m30s`"],
    ),
    case(
        "a negative scale",
        "services:\n  web: {image: app, deploy: {replicas: -1}}\n",
        "2:40",
        &["error[out-of-range]", "0 or more"],
    ),
    case("no image", "services:\n  web: {command: x}\n", "2:3", &["error[no-image]", "add `image:` or `build:`"]),
    case(
        "an image name that is none",
        "services:\n  web: {image: \"UPPER/Case:bad tag\"}\n",
        "2:9",
        &["error[invalid-image]", "lower case"],
    ),
    case("no service", "services: {}\n", "1:1", &["error[no-services]", "compose:destroy"]),
    case(
        "no service of the profile",
        "services:\n  web: {image: app, profiles: [x]}\n",
        "1:1",
        &["error[no-services]", "--profile"],
    ),
    case(
        "a missing build context",
        "services:\n  web: {build: ./nope}\n",
        "2:16",
        &["error[missing-context]", "import the whole directory"],
    ),
    case(
        "a missing Dockerfile",
        "services:\n  web: {build: .}\n",
        "2:16",
        &["error[missing-dockerfile]", "build.dockerfile"],
    ),
    case(
        "a missing secret file",
        "services:\n  web: {image: \"app:1\", secrets: [s]}\nsecrets: {s: {file: ./nope.txt}}\n",
        "2:35",
        &["nope.txt", "relative to the compose file"],
    ),
    case(
        "two services on one port of the host",
        "services:\n  a: {image: \"app:1\", ports: [\"127.0.0.1:9000:9000\"]}\n  b: {image: \"app:1\", ports: [\"9000:9001/tcp\"], x-dokku: {http: []}}\n",
        "3:",
        &["9000"],
    ),
    case(
        "replicas with a port of the host",
        "services:\n  a:\n    image: app:1\n    ports: [\"127.0.0.1:9000:9000\"]\n    scale: 2\n",
        "4:5",
        &["error[replicas-with-host-port]"],
    ),
    case(
        "an address outside of the subnet",
        "services:\n  a:\n    image: app:1\n    networks: {n: {ipv4_address: 10.9.9.9}}\nnetworks: {n: {ipam: {config: [{subnet: 10.8.0.0/24}]}}}\n",
        "4:",
        &["10.9.9.9", "10.8.0.0/24"],
    ),
    case(
        "a secret of a build that is not there",
        "services:\n  web: {build: {context: ., dockerfile_inline: FROM scratch, secrets: [s]}}\nsecrets: {s: {file: ./nope.txt}}\n",
        "2:",
        &["error[unreadable-file]", "nope.txt"],
    ),
    case(
        "a hook with privileges",
        "services:\n  web:\n    image: app:1\n    post_start: [{command: x, privileged: true}]\n",
        "4:",
        &["error[privilege]", "allowed-privileges privileged"],
    ),
    case(
        "an owner that is no number",
        "services:\n  web:\n    image: app:1\n    configs: [{source: c, uid: web}]\nconfigs: {c: {content: x}}\n",
        "4:",
        &["uid of c is no number"],
    ),
    case(
        "an external network that is not there",
        "services:\n  web: {image: \"app:1\", networks: [n]}\nnetworks: {n: {external: true, name: far}}\n",
        "3:1",
        &["error[missing-network]", "dokku network:create far"],
    ),
];
