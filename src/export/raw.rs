//! A raw container or job back to a service: what it was made from is remembered, its values are the engine's.

use std::collections::BTreeMap;

use super::stack::{Form, Origin, Unit};
use crate::docker::ImageBuildSpec;
use crate::map::resources::{DesiredService, RawSpec};
use crate::model::Port;
use crate::plan::raw::{HASH_LABEL, PROJECT_LABEL, SERVICE_LABEL};
use crate::secret::{DigestKey, Secret};

/// Label that says whether it is a container or a job.
const KIND_LABEL: &str = "com.dokku-compose.kind";

/// The service that a raw container is.
///
/// `environment` is what the engine says that it runs with; `None` where it is gone, and with it the values that are
/// remembered as digests only. `secrets` are the texts that are kept, by digest.
pub fn unit(
    service: &DesiredService,
    raw: &RawSpec,
    form: Form,
    environment: Option<&BTreeMap<String, String>>,
    secrets: &BTreeMap<String, String>,
    key: &DigestKey,
) -> Unit {
    let mut spec = raw.container.clone();
    let mut notes = Vec::new();
    for (name, value) in &mut spec.environment {
        let text = environment.and_then(|all| all.get(name)).or_else(|| secrets.get(value.digest()));
        open(value, text, name, key, &mut notes);
    }
    for label in [KIND_LABEL, HASH_LABEL, PROJECT_LABEL, SERVICE_LABEL, crate::map::hooks::LABEL] {
        spec.labels.remove(label);
    }
    let ports = spec
        .ports
        .iter()
        .map(|port| Port {
            mode: Some("ingress".into()),
            host_ip: given(&port.host_ip),
            target: u32::from(port.container_port),
            published: given(&port.host_port),
            protocol: given(&port.protocol),
            ..Port::default()
        })
        .collect();
    let origin = match &raw.build {
        Some(build) => {
            for (name, value) in &build.args {
                // What is said of a value that is not known any more.
                open(&mut value.clone(), secrets.get(value.digest()), name, key, &mut notes);
            }
            Origin::Build { build: Box::new(opened(build, secrets)), repository: None }
        }
        None => Origin::Image { image: spec.image.clone(), pull: raw.pull },
    };
    Unit {
        name: service.name.clone(),
        resource: spec.name.clone(),
        form,
        origin,
        spec,
        ports,
        needs: service.needs.clone(),
        gate: (form != Form::Job).then(|| raw.gate.clone()),
        scale: (raw.replicas != 1).then_some(raw.replicas),
        notes,
        ..Unit::default()
    }
}

/// A build whose arguments have their texts again, as far as they are known.
pub(super) fn opened(build: &ImageBuildSpec, secrets: &BTreeMap<String, String>) -> ImageBuildSpec {
    let mut build = build.clone();
    for value in build.args.values_mut() {
        if let Some(text) = secrets.get(value.digest()) {
            value.unseal(text.clone());
        }
    }
    build
}

/// Gives a remembered value its text.
fn open(value: &mut Secret, text: Option<&String>, name: &str, key: &DigestKey, notes: &mut Vec<String>) {
    match text {
        Some(text) => *value = Secret::new(text.as_str(), key),
        None if value.expose().is_none() => {
            notes.push(format!("the value of {name} is not on the server any more: put it in"));
        }
        None => {}
    }
}

fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
