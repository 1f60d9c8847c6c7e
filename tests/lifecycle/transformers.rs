//! The administrator's transformers: what they may change is changed and named, all else is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::bench::Bench;

const FILE: &str = "\
services:
  web:
    image: acme/web:1
    environment: {PASSWORD: t0ps3cret}
  db:
    image: postgres:16
    environment: {POSTGRES_PASSWORD: t0ps3cret}
";

impl Bench {
    fn transformer(&self, name: &str, script: &str) {
        let dir = self.world.path("lib/data/compose/transformers");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), script).unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// One that runs these lines of Python on `services`.
    fn changes(&self, name: &str, lines: &str) {
        self.transformer(
            name,
            &format!(
                "#!/usr/bin/env python3\nimport json, sys\nquestion = json.load(sys.stdin)\nservices = \
                 {{name: one['kind'] for name, one in question['desired']['services'].items()}}\n{lines}\njson.dump(question, sys.stdout)\n"
            ),
        );
    }
}

#[test]
fn what_they_change_is_done_and_named_with_its_author() {
    let bench = Bench::new(FILE);
    bench.changes(
        "20-second",
        "assert services['web']['resources']['limit.memory'] == '256m'\nservices['web']['config']['ZONE'] = 'a'",
    );
    bench.changes(
        "10-limits.py",
        "services['web']['resources'].setdefault('limit.memory', '256m')\nservices['db']['container']['memory'] = 1 << 28",
    );
    // Passed over: hidden, and not executable.
    bench.transformer(".hidden", "#!/bin/sh\nexit 1\n");
    fs::write(bench.world.path("lib/data/compose/transformers/README"), "words").unwrap();
    let plan = bench.plan(&[]).ends(0).says("limit.memory: 256m instead of nothing  by 10-limits.py");
    let plan = plan.says("memory: 268435456 instead of").says("by 20-second").keeps_quiet_about("t0ps3cret");
    assert!(plan.all().contains("web  variable ZONE: (hidden) instead of nothing"), "{}", plan.all());
    let json = bench.plan(&["--format", "json"]).ends(0).json();
    let authors: Vec<&str> =
        json["transformed"].as_array().unwrap().iter().filter_map(|one| one["by"].as_str()).collect();
    assert_eq!(authors.iter().filter(|by| **by == "10-limits.py").count(), 2, "{authors:?}");
    bench.import(&[]).ends(0);
    assert!(bench.dokku(&["resource:report", "shop-web"]).out.contains("256m"));
    assert!(bench.dokku(&["config:get", "shop-web", "ZONE"]).out.contains('a'));
    assert!(bench.dokku(&["config:get", "shop-web", "PASSWORD"]).out.contains("t0ps3cret"));
    bench.plan(&["--detailed-exitcode"]).ends(0);

    // Without them it is as the file says.
    fs::remove_dir_all(bench.world.path("lib/data/compose/transformers")).unwrap();
    bench.plan(&["--detailed-exitcode"]).ends(2).says("~ web").says("~ db");
    bench.import(&[]).ends(0);
    assert!(!bench.dokku(&["resource:report", "shop-web"]).out.contains("256m"));
}

#[test]
fn one_that_fails_ends_the_import_with_its_name_and_nothing_is_changed() {
    let cases: &[(&str, &str, &str)] = &[
        ("exits", "#!/bin/sh\necho no way >&2\nexit 3\n", "ended with exit code 3: no way"),
        ("hangs", "#!/bin/sh\nexec sleep 60\n", "took longer than 10 seconds"),
        ("nonsense", "#!/bin/sh\necho maybe\n", "its answer cannot be read"),
        ("empty", "#!/bin/sh\necho '{\"version\": 1, \"desired\": {}}'\n", "failed: its resources: "),
        ("newer", "#!/bin/sh\necho '{\"version\": 2, \"desired\": {}}'\n", "has version 2"),
        ("killed", "#!/bin/sh\nkill -9 $$\n", "ended by signal 9"),
    ];
    for (name, script, says) in cases {
        let bench = Bench::new(FILE);
        bench.transformer(name, script);
        let mark = bench.mark();
        bench
            .import(&[])
            .ends(1)
            .says(&format!("error[transformer-failed]: the transformer `{name}` failed"))
            .says(says);
        assert!(!bench.calls(mark).iter().any(|call| call.contains("create")));
    }
    let cases: &[(&str, &str)] = &[
        ("services['web']['app'] = 'other'", "services.web.kind.app is not for a transformer"),
        ("question['desired']['services']['new'] = question['desired']['services']['web']", "there is no service new"),
        ("del question['desired']['services']['web']", "services.web is not for a transformer"),
        ("question['desired']['project'] = 'other'", "project is not for a transformer"),
        ("services['db']['container']['name'] = 'other'", "services.db.kind.container.name is not"),
        ("services['web']['properties']['network.initial-network'] = 'host'", "network.initial-network of web is not"),
        ("services['web']['config']['A'] = 1", "the variable A of web is no string"),
        ("services['web']['options']['deploy'] = ['--label=a\\nb']", "an option of web"),
    ];
    for (lines, says) in cases {
        let bench = Bench::new(FILE);
        bench.changes("bad", lines);
        bench.import(&[]).ends(1).says("the transformer `bad` failed").says(says).keeps_quiet_about("t0ps3cret");
    }
}

#[test]
fn what_the_administrator_does_not_allow_files_is_refused() {
    let cases: &[(&str, &str)] = &[
        ("services['web']['options']['deploy'].append('--privileged')", "gives web what is not allowed: privileged"),
        ("services['web']['options']['run'].append('--volume=/:/host')", "docker-options"),
        ("services['web']['options']['deploy'].append('--cap-add=SYS_ADMIN')", "cap_add:SYS_ADMIN"),
        ("services['db']['container']['privileged'] = True", "gives db what is not allowed: privileged"),
        ("services['db']['container']['pid'] = 'host'", "pid:host"),
        ("services['web']['mounts'].append({'source': '/etc', 'target': '/e', 'options': ''})", "the mount of /etc"),
        (
            "services['web']['mounts'].append({'source': 'others_data', 'target': '/e', 'options': ''})",
            "the mount of others_data",
        ),
    ];
    let bench = Bench::new(FILE);
    for (lines, says) in cases {
        bench.changes("greedy", lines);
        bench.import(&[]).ends(1).says("error[privilege]: the transformer `greedy`").says(says).says("compose.yaml:");
    }
    bench.changes("greedy", cases[0].0);
    bench.run(&["set", "--global", "allowed-privileges", "privileged"]).ends(0);
    bench.import(&[]).ends(0).says("deploy option --privileged: set instead of nothing  by greedy");
}

#[test]
fn one_that_others_can_write_is_not_run() {
    let bench = Bench::new(FILE);
    let ran = bench.path("ran");
    bench.transformer("open", &format!("#!/bin/sh\n: >{}\n", ran.display()));
    let path = bench.world.path("lib/data/compose/transformers/open");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    bench.import(&[]).ends(1).says("the transformer `open` failed").says("chmod go-w");
    assert!(!ran.exists());
}

#[test]
fn the_question_is_as_the_published_schema_says() {
    let bench = Bench::new(FILE);
    let seen = bench.path("question");
    bench.transformer("look", &format!("#!/bin/sh\ncat >{}\n", seen.display()));
    bench.plan(&[]).ends(0);
    let question: Value = serde_json::from_str(&fs::read_to_string(seen).unwrap()).unwrap();
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/transformer.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let known = |value: &Value, schema: &Value, name: &str| {
        let fields = value.as_object().unwrap();
        for key in schema["required"].as_array().unwrap() {
            assert!(fields.contains_key(key.as_str().unwrap()), "{name} has no {key}");
        }
        if let Some(properties) = schema["properties"].as_object().filter(|_| name != "container") {
            let unknown: Vec<&String> = fields.keys().filter(|key| !properties.contains_key(*key)).collect();
            assert!(unknown.is_empty(), "{name} has what the schema has not: {unknown:?}");
        }
    };
    let of = |name: &str| &schema["$defs"][name];
    known(&question, &schema, "question");
    known(&question["desired"], of("desired"), "desired");
    for service in question["desired"]["services"].as_object().unwrap().values() {
        known(service, of("service"), "service");
        let kind = &service["kind"];
        known(kind, of(if kind["kind"] == "app" { "app" } else { "raw" }), "kind");
        if kind["kind"] != "app" {
            known(&kind["container"], &of("raw")["properties"]["container"], "container");
        }
    }
    assert_eq!(question["desired"]["services"]["web"]["kind"]["config"]["PASSWORD"], "t0ps3cret");
}
