//! Normalize, profiles, prune, consistency, casts.

use serde_json::json;

use super::*;
use crate::model::{Condition, MountType};

#[test]
fn the_default_network_is_there_when_it_is_used() {
    let project = project(&[("compose.yaml", "services: {web: {image: x}, host: {image: x, network_mode: host}}")]);
    assert_eq!(project.services["web"].networks.keys().collect::<Vec<_>>(), ["default"]);
    assert!(project.services["host"].networks.is_empty());
    assert_eq!(project.networks["default"].name.as_deref(), Some("shop_default"));
}

#[test]
fn links_and_shared_namespaces_are_dependencies() {
    let yaml = "services:\n  web: {image: x, links: ['db:database'], network_mode: 'service:vpn', volumes_from: ['data:ro', 'container:old']}\n  db: {image: x}\n  vpn: {image: x}\n  data: {image: x}\n";
    let project = project(&[("compose.yaml", yaml)]);
    let found: Vec<_> = project.services["web"]
        .depends_on
        .iter()
        .map(|(name, dependency)| (name.as_str(), dependency.restart))
        .collect();
    assert_eq!(found, [("db", true), ("vpn", true), ("data", false)]);
    assert!(project.services["web"].depends_on.values().all(|dependency| dependency.condition == Condition::Started));
}

#[test]
fn names_of_resources_come_from_project_and_key() {
    let yaml = "name: My.Shop\nservices: {web: {image: x, volumes: ['one:/a', 'two:/b', 'three:/c']}}\nvolumes: {one: , two: {name: own}, three: {external: true}}";
    let project = project(&[("compose.yaml", yaml)]);
    assert_eq!(project.name, "myshop");
    let name = |volume: &str| project.volumes[volume].name.clone().unwrap();
    assert_eq!(
        (name("one"), name("two"), name("three")),
        ("myshop_one".to_owned(), "own".to_owned(), "three".to_owned())
    );
}

#[test]
fn what_no_enabled_service_uses_is_left_out() {
    let yaml = "services:\n  web: {image: x}\n  debug: {image: x, profiles: [debug], volumes: ['logs:/logs'], networks: [side]}\nvolumes: {logs: , unused: }\nnetworks: {side: }\n";
    let files = [("compose.yaml", yaml)];
    let off = project(&files);
    assert_eq!((off.services.len(), off.disabled_services.len(), off.volumes.len(), off.networks.len()), (1, 1, 0, 1));
    let on = project_of(&files, |request| request.profiles.push("debug".to_owned()));
    assert_eq!((on.services.len(), on.volumes.len(), on.networks.len()), (2, 1, 2));
    let all = project_of(&files, |request| request.profiles.push("*".to_owned()));
    assert_eq!(all.services.len(), 2);
    let by_variable = project(&[files[0], (".env", "COMPOSE_PROFILES=test, debug\n")]);
    assert_eq!(by_variable.profiles, ["test", "debug"]);
    assert_eq!(by_variable.services.len(), 2);
}

#[test]
fn an_optional_dependency_on_a_disabled_service_is_fine() {
    let yaml = |required: bool| {
        format!(
            "services:\n  web: {{image: x, depends_on: {{debug: {{condition: service_started, required: {required}}}}}}}\n  debug: {{image: x, profiles: [debug]}}\n"
        )
    };
    assert!(findings(&[("compose.yaml", &yaml(false))]).is_empty());
    assert_eq!(findings(&[("compose.yaml", &yaml(true))]), ["compose.yaml:2:32 disabled-dependency"]);
}

#[test]
fn strings_become_numbers_and_booleans_where_the_key_wants_them() {
    let files = [
        (
            "compose.yaml",
            "services: {web: {image: x, cpus: '${CPUS}', tty: 'yes', privileged: '${OFF}', mem_limit: '${MEM}', scale: '2', ports: [{target: '${PORT}', published: '${PORT}'}]}}",
        ),
        (".env", "CPUS=0.50\nOFF=No\nMEM=512m\nPORT=80\n"),
    ];
    let service = config_json(&project(&files))["services"]["web"].clone();
    assert_eq!(service["cpus"], json!(0.5));
    assert_eq!((&service["tty"], service.get("privileged")), (&json!(true), None));
    assert_eq!((&service["mem_limit"], &service["scale"]), (&json!("536870912"), &json!(2)));
    assert_eq!(service["ports"][0], json!({"mode": "ingress", "target": 80, "published": "80", "protocol": "tcp"}));
}

#[test]
fn short_mounts_become_long() {
    let volumes = service_json(
        "services: {web: {image: x, volumes: [/a, 'data:/b/', './c:/c:ro,z', 'data:/d:nocopy']}}\nvolumes: {data: }",
        "web",
    )["volumes"]
        .clone();
    assert_eq!(
        volumes,
        json!([
            {"type": "volume", "target": "/a"},
            {"type": "volume", "source": "data", "target": "/b", "volume": {}},
            {"type": "bind", "source": "/shop/c", "target": "/c", "read_only": true, "bind": {"selinux": "z"}},
            {"type": "volume", "source": "data", "target": "/d", "volume": {"nocopy": true}},
        ])
    );
}

#[test]
fn a_bind_makes_its_directory_unless_told_otherwise() {
    let yaml = "services: {web: {image: x, volumes: ['./a:/a', {type: bind, source: ./b, target: /b}, {type: bind, source: ./c, target: /c, bind: {create_host_path: false}}, {type: bind, source: ./d, target: /d, bind: {}}]}}";
    let project = project(&[("compose.yaml", yaml)]);
    let found: Vec<_> = project.services["web"]
        .volumes
        .iter()
        .map(|volume| volume.bind.as_ref().map(|bind| bind.create_host_path))
        .collect();
    assert_eq!(found, [Some(true), None, Some(false), Some(true)]);
    assert!(project.services["web"].volumes.iter().all(|volume| volume.kind == MountType::Bind));
}

#[test]
fn a_container_before_the_service_takes_its_settings_over() {
    let yaml = "services:\n  web:\n    image: x\n    environment: {A: 1, B: 1}\n    ports: ['80:80']\n    volumes: [/data]\n    pre_start:\n      - command: migrate\n        environment: [B=2]\n";
    let project = project(&[("compose.yaml", yaml)]);
    let hook = &project.services["web"].pre_start[0].container;
    assert_eq!(hook.image.as_deref(), Some("x"));
    assert_eq!(hook.command, Some(vec!["migrate".to_owned()]));
    assert_eq!((hook.environment["A"].as_deref(), hook.environment["B"].as_deref()), (Some("1"), Some("2")));
    assert!(hook.ports.is_empty() && hook.volumes.is_empty());
}

#[test]
fn develop_may_be_written_as_an_extension() {
    let yaml = "services: {web: {image: x, x-develop: {watch: [{path: ./src, action: sync, target: /src, x-initialSync: true, ignore: a}]}}}";
    let project = project(&[("compose.yaml", yaml)]);
    let watch = &project.services["web"].develop.as_ref().unwrap().watch[0];
    assert_eq!((watch.path.as_str(), watch.initial_sync), ("/shop/src", true));
    assert_eq!(watch.ignore, ["a"]);
}

#[test]
fn providers_need_no_image_and_models_are_resolved() {
    let yaml = "services:\n  ai: {provider: {type: model, options: {model: x, size: [1, 2]}}}\n  web: {image: x, models: [llm]}\nmodels: {llm: {model: ai/llm}}\n";
    let project = project(&[("compose.yaml", yaml)]);
    let provider = project.services["ai"].provider.as_ref().unwrap();
    assert_eq!(provider.options["size"], ["1", "2"]);
    assert!(project.services["ai"].networks.is_empty());
    assert_eq!(project.models["llm"].model.as_deref(), Some("ai/llm"));
}

#[test]
fn the_yaml_form_loads_to_the_same_project() {
    let yaml = "services:\n  web:\n    image: x\n    command: echo $$HOME\n    environment: {A: '1', N: }\n    x-note: {a: 1}\n    ulimits: {core: 0}\n    ports: ['80-82:80-82', '53:53/udp']\nx-top: [1, 2.5]\n";
    let first = project(&[("compose.yaml", yaml)]);
    let text = super::super::render_config(&first, super::super::Format::Yaml).unwrap();
    let second = project(&[("compose.yaml", &text)]);
    assert_eq!(config_json(&second), config_json(&first));
    assert_eq!(second.services["web"].extensions, first.services["web"].extensions);
    assert!(text.contains("x-note"), "{text}");
}

#[test]
fn limits_of_devices_are_spelt_as_the_reference_does_it_in_json_only() {
    let text = "services: {a: {image: x, blkio_config: {weight_device: [{path: /a, weight: 5}]}, pre_start: [{command: [b]}]}}";
    let project = project(&[("compose.yaml", text)]);
    let json = crate::compose::config_json(&project);
    let device = serde_json::json!({"Path": "/a", "Weight": 5});
    assert_eq!(json["services"]["a"]["blkio_config"]["weight_device"][0], device);
    assert_eq!(json["services"]["a"]["pre_start"][0]["blkio_config"]["weight_device"][0], device);
    let yaml = crate::compose::render_config(&project, crate::compose::Format::Yaml).unwrap();
    assert_eq!(yaml.matches("- path: /a").count(), 2, "{yaml}");
}
