//! The keys of networks, volumes, secrets, configs and models.
//!
//! Specification: 06-networks.md, 07-volumes.md, 08-configs.md, 09-secrets.md, models.md.

use crate::model::{Config, Ipam, IpamPool, Model, Network, Secret, Volume};

use super::fields::Fields;
use crate::compose::environment::VALUE;

/// A network.
pub(super) fn network(fields: &mut Fields<'_, '_>) -> Network {
    Network {
        name: fields.text("name"),
        driver: fields.text("driver"),
        driver_opts: fields.mapping("driver_opts"),
        ipam: fields.object("ipam", ipam).unwrap_or_default(),
        external: fields.flag("external"),
        internal: fields.flag("internal"),
        attachable: fields.flag("attachable"),
        labels: fields.mapping("labels"),
        enable_ipv4: fields.choice("enable_ipv4"),
        enable_ipv6: fields.choice("enable_ipv6"),
        extensions: fields.extensions(),
    }
}

fn ipam(fields: &mut Fields<'_, '_>) -> Ipam {
    Ipam {
        driver: fields.text("driver"),
        config: fields.objects("config", |fields| IpamPool {
            subnet: fields.text("subnet"),
            gateway: fields.text("gateway"),
            ip_range: fields.text("ip_range"),
            aux_addresses: fields.mapping("aux_addresses"),
            extensions: fields.extensions(),
        }),
        options: fields.mapping("options"),
        extensions: fields.extensions(),
    }
}

/// A volume.
pub(super) fn volume(fields: &mut Fields<'_, '_>) -> Volume {
    Volume {
        name: fields.text("name"),
        driver: fields.text("driver"),
        driver_opts: fields.mapping("driver_opts"),
        external: fields.flag("external"),
        labels: fields.mapping("labels"),
        extensions: fields.extensions(),
    }
}

/// A secret.
pub(super) fn secret(fields: &mut Fields<'_, '_>) -> Secret {
    Secret {
        name: fields.text("name"),
        file: fields.text("file"),
        environment: fields.text("environment"),
        environment_value: fields.text(VALUE),
        external: fields.flag("external"),
        labels: fields.mapping("labels"),
        driver: fields.text("driver"),
        driver_opts: fields.mapping("driver_opts"),
        template_driver: fields.text("template_driver"),
        extensions: fields.extensions(),
    }
}

/// A config.
pub(super) fn config(fields: &mut Fields<'_, '_>) -> Config {
    Config {
        name: fields.text("name"),
        file: fields.text("file"),
        environment: fields.text("environment"),
        content: fields.text("content"),
        environment_value: fields.text(VALUE),
        external: fields.flag("external"),
        labels: fields.mapping("labels"),
        driver: fields.text("driver"),
        driver_opts: fields.mapping("driver_opts"),
        template_driver: fields.text("template_driver"),
        extensions: fields.extensions(),
    }
}

/// An AI model.
pub(super) fn model(fields: &mut Fields<'_, '_>) -> Model {
    Model {
        name: fields.text("name"),
        model: fields.text("model"),
        context_size: fields.amount("context_size"),
        runtime_flags: fields.texts("runtime_flags"),
        extensions: fields.extensions(),
    }
}
