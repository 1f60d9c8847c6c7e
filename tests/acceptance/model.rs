//! What a stack asks for, as the reference implementation of Compose reads it (`expected.json` beside the file):
//! the checks do not rely on this project's own reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A stack: its services and volumes.
#[derive(Debug, Default)]
pub struct Model {
    pub services: BTreeMap<String, Service>,
    /// Names that the volumes get on the server, by key.
    pub volumes: BTreeMap<String, String>,
}

/// One service.
#[derive(Debug, Default)]
pub struct Service {
    pub image: Option<String>,
    pub build: Option<Build>,
    pub environment: BTreeMap<String, String>,
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    /// Service names of `depends_on`, and with each whether it has to have ended (`service_completed_successfully`).
    pub depends_on: BTreeMap<String, bool>,
    /// Other names that `links` gives to services: name and service.
    pub links: BTreeMap<String, String>,
    pub networks: BTreeSet<String>,
    pub network_mode: Option<String>,
    pub ports: Vec<Port>,
    pub expose: Vec<u16>,
    pub mounts: Vec<Mount>,
    pub health: Vec<String>,
    pub user: Option<String>,
    pub restart: Option<String>,
    pub replicas: u64,
    pub memory: Option<String>,
}

#[derive(Debug, Default)]
pub struct Build {
    pub context: PathBuf,
    pub dockerfile: String,
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Port {
    pub target: u16,
    pub published: Option<u16>,
    pub host_ip: Option<String>,
    pub udp: bool,
}

#[derive(Clone, Debug)]
pub struct Mount {
    pub target: String,
    /// Of a bind mount, a secret or a config: the file or directory.
    pub source: Option<PathBuf>,
    pub read_only: bool,
    pub bind: bool,
}

impl Service {
    /// Whether it runs once: something waits for its end, or it is not restarted and listens nowhere.
    pub fn is_job(&self, name: &str, model: &Model) -> bool {
        model.services.values().any(|other| other.depends_on.get(name) == Some(&true))
            || (self.restart.as_deref() == Some("no") && self.ports.is_empty())
    }

    /// The services that this one has to find by name: declared, or on a common network.
    pub fn neighbours<'a>(&'a self, own: &str, model: &'a Model) -> impl Iterator<Item = &'a String> {
        model
            .services
            .iter()
            .filter(move |(name, other)| *name != own && !self.networks.is_disjoint(&other.networks))
            .map(|(name, _)| name)
    }
}

/// Reads `expected.json`, for a stack that now stands in `dir` and whose project name was `dir`'s.
///
/// # Panics
/// Where the file is none of the reference's.
pub fn read(expected: &str, dir: &Path) -> Model {
    let place = dir.to_str().expect("a UTF-8 path");
    let root: Value = serde_json::from_str(expected).expect("the reference's JSON");
    let text = |value: &Value| value.as_str().map(|text| text.replace("@CASE@", place).replace("$$", "$"));
    let words = |value: &Value| -> Option<Vec<String>> {
        value.as_array().map(|words| words.iter().filter_map(text).collect())
    };
    let strings = |value: &Value| -> BTreeMap<String, String> {
        let fields = value.as_object().into_iter().flatten();
        fields.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
    };
    let project = text(&root["name"]).unwrap_or_default();
    let own = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut model = Model::default();
    for (key, volume) in root["volumes"].as_object().into_iter().flatten() {
        let name = text(&volume["name"]).unwrap_or_default();
        // A project without `name:` is named by its directory, which is another one now.
        let name = match name.strip_prefix(&format!("{project}_")) {
            Some(rest) => format!("{own}_{rest}"),
            None => name,
        };
        model.volumes.insert(key.clone(), name);
    }
    for (name, value) in root["services"].as_object().into_iter().flatten() {
        let list = |key: &str| value[key].as_array().into_iter().flatten();
        let mut service = Service {
            image: text(&value["image"]),
            build: value["build"].as_object().map(|build| Build {
                context: text(&build["context"]).unwrap_or_default().into(),
                dockerfile: build.get("dockerfile").and_then(text).unwrap_or_default(),
                target: build.get("target").and_then(text),
                args: build.get("args").map(strings).unwrap_or_default(),
            }),
            environment: strings(&value["environment"]),
            command: words(&value["command"]),
            entrypoint: words(&value["entrypoint"]),
            network_mode: text(&value["network_mode"]),
            health: words(&value["healthcheck"]["test"]).unwrap_or_default(),
            user: text(&value["user"]),
            restart: text(&value["restart"]),
            replicas: value["scale"].as_u64().or(value["deploy"]["replicas"].as_u64()).unwrap_or(1),
            memory: text(&value["deploy"]["resources"]["limits"]["memory"]),
            ..Service::default()
        };
        service.networks = value["networks"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for (other, dependency) in value["depends_on"].as_object().into_iter().flatten() {
            let ends = dependency["condition"] == "service_completed_successfully";
            service.depends_on.insert(other.clone(), ends);
        }
        for link in list("links").filter_map(text) {
            let (other, alias) = link.split_once(':').unwrap_or((&link, &link));
            service.links.insert(alias.to_owned(), other.to_owned());
        }
        for port in list("ports") {
            service.ports.push(Port {
                target: port["target"].as_u64().and_then(|port| port.try_into().ok()).unwrap_or_default(),
                published: text(&port["published"]).and_then(|port| port.parse().ok()),
                host_ip: text(&port["host_ip"]),
                udp: port["protocol"] == "udp",
            });
        }
        service.expose = list("expose").filter_map(text).filter_map(|port| port.parse().ok()).collect();
        for volume in list("volumes") {
            let bind = volume["type"] == "bind";
            service.mounts.push(Mount {
                target: text(&volume["target"]).unwrap_or_default(),
                source: text(&volume["source"]).filter(|_| bind).map(PathBuf::from),
                read_only: volume["read_only"] == true,
                bind,
            });
        }
        for (kind, default) in [("secrets", "/run/secrets"), ("configs", "")] {
            for reference in list(kind) {
                let key = text(&reference["source"]).unwrap_or_default();
                let target = text(&reference["target"]).unwrap_or_else(|| key.clone());
                service.mounts.push(Mount {
                    target: if target.starts_with('/') { target } else { format!("{default}/{target}") },
                    source: text(&root[kind][&key]["file"]).map(PathBuf::from),
                    read_only: true,
                    bind: true,
                });
            }
        }
        model.services.insert(name.clone(), service);
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_s_model_is_read() {
        let text = r#"{"name":"old","volumes":{"data":{"name":"old_data"},"other":{"name":"fixed"}},
            "secrets":{"key":{"file":"@CASE@/key.txt"}},
            "services":{"api":{"environment":{"PRICE":"$$5","UNSET":null},"depends_on":{"job":{"condition":"service_completed_successfully"}},
            "links":["db:database"],"networks":{"default":null},"secrets":[{"source":"key"}],
            "ports":[{"target":80,"published":"8080","protocol":"tcp"}]},
            "job":{"networks":{"default":null}}}}"#;
        let model = read(text, Path::new("/tmp/acc-new"));
        let api = &model.services["api"];
        assert_eq!(model.volumes["data"], "acc-new_data");
        assert_eq!(model.volumes["other"], "fixed");
        assert_eq!(api.environment, BTreeMap::from([("PRICE".to_owned(), "$5".to_owned())]));
        assert_eq!(api.links["database"], "db");
        assert_eq!(api.mounts[0].target, "/run/secrets/key");
        assert_eq!(api.mounts[0].source.as_deref(), Some(Path::new("/tmp/acc-new/key.txt")));
        assert_eq!(api.ports[0].published, Some(8080));
        assert!(model.services["job"].is_job("job", &model) && !api.is_job("api", &model));
        assert_eq!(api.neighbours("api", &model).collect::<Vec<_>>(), ["job"]);
    }
}
