//! What a container is made of.

use super::*;

#[test]
fn a_container_from_birth_to_removal() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let mut spec = spec(&mut made, "life", &[]);
    spec.labels = strings(&[("engine-test", "life"), ("with.value", "a b")]);
    let id = engine.container_create(&spec).unwrap();
    let facts = engine.container(&spec.name).unwrap().unwrap();
    assert_eq!(
        (facts.id.as_str(), facts.name.as_str(), facts.status.as_str(), facts.started_at.as_str()),
        (id.as_str(), spec.name.as_str(), "created", "")
    );
    assert_eq!(status(engine.container_create(&spec).unwrap_err()), 409);
    engine.container_start(&spec.name).unwrap();
    engine.container_start(&spec.name).unwrap();
    let facts = engine.container(&id).unwrap().unwrap();
    assert_eq!(
        (facts.status.as_str(), facts.image.as_str(), facts.health.as_str(), facts.labels["with.value"].as_str()),
        ("running", IMAGE, "", "a b")
    );
    assert_eq!(facts.image_id, engine.image(IMAGE).unwrap().unwrap().id);
    assert!(!facts.started_at.is_empty() && facts.networks.contains_key("bridge"));

    let listed = engine.containers(&["engine-test=life", "with.value"]).unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].status.as_str()), (1, spec.name.as_str(), "running"));
    assert_eq!((&listed[0].networks, &listed[0].mounts), (&facts.networks, &facts.mounts));
    assert_eq!(engine.containers(&["engine-test=other"]).unwrap(), []);

    let renamed = name("life-renamed");
    made.containers.push(renamed.clone());
    engine.container_rename(&spec.name, &renamed).unwrap();
    assert_eq!(engine.container(&spec.name).unwrap(), None);
    engine.container_stop(&renamed, Duration::from_secs(10)).unwrap();
    engine.container_stop(&renamed, Duration::from_secs(10)).unwrap();
    let facts = engine.container(&renamed).unwrap().unwrap();
    assert_eq!((facts.status.as_str(), facts.exit_code), ("exited", 143));
    let listed = engine.containers(&["engine-test=life"]).unwrap();
    assert_eq!((listed[0].status.as_str(), listed[0].exit_code), ("exited", 143));
    engine.container_remove(&renamed).unwrap();
    engine.container_remove(&renamed).unwrap();
    engine.container_stop(&renamed, Duration::ZERO).unwrap();
    assert_eq!(status(engine.container_start(&renamed).unwrap_err()), 404);
}

#[test]
fn a_container_has_what_its_spec_says() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "delivered").unwrap();
    let volume = name("data");
    made.volumes.push(volume.clone());
    let key = DigestKey([7; 32]);
    let mount = |kind: &str, source: &str, target: &str| ContainerMount {
        kind: kind.to_owned(),
        source: source.to_owned(),
        target: target.to_owned(),
        ..ContainerMount::default()
    };
    let spec = ContainerSpec {
        entrypoint: Some(vec!["/standin".to_owned(), "serve".to_owned()]),
        command: Some(vec!["two words".to_owned(), "$HOME".to_owned()]),
        environment: BTreeMap::from(
            [("PASSWORD", "hunter2\nsecond line"), ("EMPTY", "")]
                .map(|(name, value)| (name.to_owned(), Secret::new(value, &key))),
        ),
        user: "65534:65534".to_owned(),
        working_dir: "/run".to_owned(),
        hostname: "inside".to_owned(),
        init: Some(true),
        ports: vec![ContainerPort {
            host_ip: "127.0.0.1".to_owned(),
            host_port: String::new(),
            container_port: 8080,
            protocol: "tcp".to_owned(),
        }],
        mounts: vec![
            ContainerMount { read_only: true, ..mount("bind", &dir.path().display().to_string(), "/config") },
            mount("volume", &volume, "/data"),
            ContainerMount { tmpfs_size: 1024 * 1024, tmpfs_mode: 0o1777, ..mount("tmpfs", "", "/scratch") },
        ],
        extra_hosts: vec!["elsewhere:10.9.8.7".to_owned()],
        sysctls: strings(&[("net.ipv4.ip_unprivileged_port_start", "0")]),
        ulimits: vec![UlimitSpec { name: "nofile".to_owned(), soft: 1000, hard: 2000 }],
        memory: 64 * 1024 * 1024,
        memory_swap: 64 * 1024 * 1024,
        nano_cpus: 500_000_000,
        pids_limit: 50,
        restart: "on-failure:3".to_owned(),
        read_only: true,
        cap_drop: vec!["ALL".to_owned()],
        ..spec(&mut made, "full", &[])
    };
    start(&engine, &spec);
    let facts = engine.container(&spec.name).unwrap().unwrap();
    assert!(
        facts.mounts.contains(&volume) && facts.mounts.contains(&dir.path().display().to_string()),
        "{:?}",
        facts.mounts
    );
    let address = facts.networks["bridge"].clone();
    let asked = |path: &str| get(&address, path);
    assert_eq!(asked("/argv"), serde_json::json!(["/standin", "serve", "two words", "$HOME"]));
    let env = asked("/env");
    assert_eq!(
        (env["PASSWORD"].as_str(), env["EMPTY"].as_str(), env["BAKED"].as_str()),
        (Some("hunter2\nsecond line"), Some(""), Some("yes"))
    );
    assert_eq!(asked("/hostname"), "inside\n");
    assert_eq!(asked("/files?path=/config/file"), "delivered");
    assert_eq!(asked("/resolve?name=elsewhere"), serde_json::json!(["10.9.8.7"]));
    let limits = asked("/limits");
    assert_eq!(
        (limits["memory"].as_str(), limits["cpu"].as_str(), limits["pids"].as_str()),
        (Some("67108864"), Some("50000 100000"), Some("50"))
    );
    let mounts = asked("/mounts");
    let mounted = |target: &str| {
        let found = mounts
            .as_array()
            .unwrap()
            .iter()
            .find(|mount| mount["target"] == target)
            .unwrap_or_else(|| panic!("{target} in {mounts}"));
        (found["type"].as_str().unwrap().to_owned(), found["options"].as_str().unwrap().starts_with("ro"))
    };
    assert!(mounted("/config").1 && !mounted("/data").1 && mounted("/").1);
    assert_eq!(mounted("/scratch"), ("tmpfs".to_owned(), false));
    let status = asked("/files?path=/proc/self/status");
    assert!(status.as_str().unwrap().contains("Uid:\t65534"));
    assert!(
        asked("/files?path=/proc/self/limits")
            .as_str()
            .unwrap()
            .contains("Max open files            1000                 2000")
    );
}

#[test]
fn names_resolve_on_every_network_before_the_first_process_runs() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let (one, two) = (name("one"), name("two"));
    for (network, subnet) in [(&one, "10.213.78.0/24"), (&two, "10.213.79.0/24")] {
        made.networks.push(network.clone());
        let ipam = vec![IpamPool { subnet: subnet.to_owned(), ..IpamPool::default() }];
        engine.network_create(&NetworkSpec { name: network.clone(), ipam, ..NetworkSpec::default() }).unwrap();
    }
    let alias = |alias: &str, ipv4: &str| EndpointSpec {
        aliases: vec![alias.to_owned()],
        ipv4: ipv4.to_owned(),
        ..EndpointSpec::default()
    };
    let db = ContainerSpec {
        networks: vec![(one.clone(), alias("db", "")), (two.clone(), alias("store", "10.213.79.77"))],
        ..spec(&mut made, "db", &[])
    };
    start(&engine, &db);
    let facts = engine.container(&db.name).unwrap().unwrap();
    assert_eq!(facts.networks.keys().collect::<Vec<_>>(), [&one, &two]);
    assert_eq!(facts.networks[&two], "10.213.79.77");
    assert_eq!(engine.network(&two).unwrap().unwrap().containers, [facts.id.as_str()]);

    // The first thing it does is to look for both names, one on each network.
    let script = "nslookup db >/dev/null 2>&1; a=$?; nslookup store >/dev/null 2>&1; exit $((a * 10 + $?))";
    let both = ContainerSpec {
        networks: vec![(one.clone(), alias("both", "")), (two.clone(), alias("both", ""))],
        ..spec(&mut made, "both", &["sh", "-c", script])
    };
    start(&engine, &both);
    assert_eq!(engine.container_wait(&both.name, LIMIT).unwrap(), 0, "{:?}", engine.container_logs(&both.name, 20));

    // A name of another network does not leak.
    let outside =
        ContainerSpec { networks: vec![(one.clone(), EndpointSpec::default())], ..spec(&mut made, "outside", &[]) };
    start(&engine, &outside);
    let address = engine.container(&outside.name).unwrap().unwrap().networks[&one].clone();
    assert_eq!(get(&address, "/resolve?name=store"), serde_json::json!([]));
    assert_eq!(get(&address, "/connect?host=db&port=8080")["connected"], true);
    engine.network_connect(&two, &outside.name, &alias("late", "")).unwrap();
    engine.network_connect(&two, &outside.name, &alias("late", "")).unwrap();
    assert_eq!(get(&address, "/resolve?name=store"), serde_json::json!(["10.213.79.77"]));
    assert_eq!(status(engine.network_remove(&two).unwrap_err()), 403);
}

#[test]
fn a_container_whose_second_network_is_missing_is_not_left_half_made() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let network = name("alone");
    made.networks.push(network.clone());
    engine.network_create(&NetworkSpec { name: network.clone(), ..NetworkSpec::default() }).unwrap();
    let networks = vec![(network, EndpointSpec::default()), (name("missing"), EndpointSpec::default())];
    let spec = ContainerSpec { networks, ..spec(&mut made, "half", &[]) };
    assert_eq!(status(engine.container_create(&spec).unwrap_err()), 404);
    assert_eq!(engine.container(&spec.name).unwrap(), None);
}

#[test]
fn a_container_shares_the_network_of_another() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let main = spec(&mut made, "main", &[]);
    start(&engine, &main);
    let side = ContainerSpec {
        network_mode: format!("container:{}", main.name),
        ..spec(&mut made, "side", &["sh", "-c", "sleep 1; standin check 8080 || /standin check 8080"])
    };
    start(&engine, &side);
    assert_eq!(engine.container_wait(&side.name, LIMIT).unwrap(), 0);
}

#[test]
fn an_empty_command_drops_the_images() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let dropped = ContainerSpec { command: Some(Vec::new()), ..spec(&mut made, "no-cmd", &[]) };
    start(&engine, &dropped);
    let address = engine.container(&dropped.name).unwrap().unwrap().networks["bridge"].clone();
    assert_eq!(get(&address, "/argv"), serde_json::json!(["/standin"]));
    let bare = ContainerSpec { entrypoint: Some(Vec::new()), ..spec(&mut made, "no-entry", &["sh", "-c", "exit 5"]) };
    start(&engine, &bare);
    assert_eq!(engine.container_wait(&bare.name, LIMIT).unwrap(), 5);
}

#[test]
fn a_command_runs_in_a_container_as_it_is_told() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let spec = spec(&mut made, "exec", &[]);
    start(&engine, &spec);
    let run = |exec: ExecSpec, limit| engine.container_exec(&spec.name, &exec, limit);
    let shell =
        |script: &str| ExecSpec { command: ["sh", "-c", script].map(str::to_owned).into(), ..ExecSpec::default() };
    let told = ExecSpec {
        user: "65534:65534".into(),
        working_dir: "/run".into(),
        environment: strings(&[("OWN", "a b")]),
        ..shell("pwd; id -u; echo $OWN; echo wrong >&2; exit 3")
    };
    let (code, mut lines) = run(told, LIMIT).unwrap();
    lines.sort();
    assert_eq!((code, lines), (3, ["/run", "65534", "a b", "wrong"].map(str::to_owned).into()));
    let capabilities = "c=$(sed -n 's/^CapEff:\\t//p' /proc/self/status); echo $(( (0x$c >> 21) & 1 ))";
    assert_eq!(run(shell(capabilities), LIMIT).unwrap().1, ["0"]);
    let privileged = ExecSpec { privileged: true, ..shell(capabilities) };
    let answer = run(privileged, LIMIT).unwrap().1.concat();
    // An engine that has not all privileges itself says so.
    assert!(answer == "1" || answer.contains("unable to apply caps"), "{answer}");
    let begun = Instant::now();
    assert!(matches!(run(shell("sleep 60"), Duration::from_secs(2)), Err(EngineError::TimedOut(_))));
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(
        run(ExecSpec { command: vec!["/no/such".into()], ..ExecSpec::default() }, LIMIT)
            .map_or(true, |(code, _)| code != 0)
    );
    engine.container_stop(&spec.name, Duration::from_secs(5)).unwrap();
    assert_eq!(status(run(shell("true"), LIMIT).map(drop).unwrap_err()), 409);
}
