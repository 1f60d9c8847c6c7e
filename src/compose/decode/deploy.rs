//! The keys of `deploy`.
//!
//! Specification: deploy.md.

use crate::model::{
    Deploy, DiscreteResource, GenericResource, Placement, PlacementPreference, Resource, Resources, RestartPolicy,
    UpdateConfig, UpdateOrder,
};

use super::fields::Fields;
use super::service::device_request;

/// Deployment settings.
pub(super) fn deploy(fields: &mut Fields<'_, '_>) -> Deploy {
    Deploy {
        mode: fields.text("mode"),
        replicas: fields.integer("replicas"),
        labels: fields.mapping("labels"),
        update_config: fields.object("update_config", update_config),
        rollback_config: fields.object("rollback_config", update_config),
        resources: fields.object("resources", resources).unwrap_or_default(),
        restart_policy: fields.object("restart_policy", restart_policy),
        placement: fields.object("placement", placement).unwrap_or_default(),
        endpoint_mode: fields.text("endpoint_mode"),
        extensions: fields.extensions(),
    }
}

fn update_config(fields: &mut Fields<'_, '_>) -> UpdateConfig {
    let order = match fields.text("order").as_deref() {
        Some("start-first") => Some(UpdateOrder::StartFirst),
        Some("stop-first") => Some(UpdateOrder::StopFirst),
        _ => None,
    };
    UpdateConfig {
        parallelism: fields.narrow("parallelism", "a number of containers"),
        delay: fields.duration("delay").filter(|delay| delay.0 != 0),
        failure_action: fields.text("failure_action"),
        monitor: fields.duration("monitor").filter(|monitor| monitor.0 != 0),
        max_failure_ratio: fields.float("max_failure_ratio"),
        order,
        extensions: fields.extensions(),
    }
}

fn resources(fields: &mut Fields<'_, '_>) -> Resources {
    Resources {
        limits: fields.object("limits", resource),
        reservations: fields.object("reservations", resource),
        extensions: fields.extensions(),
    }
}

fn resource(fields: &mut Fields<'_, '_>) -> Resource {
    Resource {
        cpus: fields.float("cpus"),
        memory: fields.bytes("memory"),
        pids: fields.amount("pids"),
        devices: fields.objects("devices", device_request),
        generic_resources: fields.objects("generic_resources", |fields| GenericResource {
            discrete_resource_spec: fields.object("discrete_resource_spec", |fields| DiscreteResource {
                kind: fields.text("kind").unwrap_or_default(),
                value: fields.integer("value").unwrap_or_default(),
                extensions: fields.extensions(),
            }),
            extensions: fields.extensions(),
        }),
        extensions: fields.extensions(),
    }
}

fn restart_policy(fields: &mut Fields<'_, '_>) -> RestartPolicy {
    RestartPolicy {
        condition: fields.text("condition"),
        delay: fields.duration("delay"),
        max_attempts: fields.narrow("max_attempts", "a number of attempts"),
        window: fields.duration("window"),
        extensions: fields.extensions(),
    }
}

fn placement(fields: &mut Fields<'_, '_>) -> Placement {
    Placement {
        constraints: fields.texts("constraints"),
        preferences: fields.objects("preferences", |fields| PlacementPreference {
            spread: fields.text("spread"),
            extensions: fields.extensions(),
        }),
        max_replicas_per_node: fields
            .narrow("max_replicas_per_node", "a number of containers")
            .filter(|most| *most != 0),
        extensions: fields.extensions(),
    }
}
