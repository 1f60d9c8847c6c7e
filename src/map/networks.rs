//! Networks: those to make, and how a service joins them and by which names it is found.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::relations::Relations;
use crate::docker::{ContainerSpec, EndpointSpec, IpamPool, NetworkSpec};
use crate::model::{Network, Service};

/// The name that a network has on the server.
///
/// A network without a name of its own belongs to the Dokku project, so that one compose file can be imported twice.
pub(super) fn name(ctx: &Context<'_>, key: &str) -> String {
    let Some(network) = ctx.compose.networks.get(key) else {
        return format!("{}_{key}", ctx.project);
    };
    match network.name.as_deref() {
        Some(name) if name != format!("{}_{key}", ctx.compose.name) => name.to_owned(),
        _ if network.external => key.to_owned(),
        _ => format!("{}_{key}", ctx.project),
    }
}

/// Networks to make and networks that must exist, of those that an imported service uses.
pub(super) fn declared(ctx: &Context<'_>, used: &BTreeSet<String>) -> (Vec<NetworkSpec>, Vec<String>) {
    let (mut make, mut external) = (Vec::new(), Vec::new());
    for (key, network) in &ctx.compose.networks {
        let name = name(ctx, key);
        if !used.contains(&name) {
            continue;
        }
        if network.external {
            external.push(name);
        } else {
            make.push(spec(ctx, key, &name, network));
        }
    }
    let default = format!("{}_default", ctx.project);
    if used.contains(&default) && !make.iter().any(|spec| spec.name == default) && !external.contains(&default) {
        make.push(spec(ctx, "default", &default, &Network::default()));
    }
    (make, external)
}

fn spec(ctx: &Context<'_>, key: &str, name: &str, network: &Network) -> NetworkSpec {
    let Network {
        name: _,
        driver,
        driver_opts,
        ipam,
        external: _,
        internal,
        attachable: _,
        labels,
        enable_ipv4,
        enable_ipv6,
        extensions: _,
    } = network;
    if *enable_ipv4 == Some(false) {
        ctx.not_done(&format!("networks.{key}.enable_ipv4"), "Dokku's proxy reaches containers by IPv4", "");
    }
    if driver.as_deref().is_some_and(|driver| driver == "overlay") {
        ctx.approximated(&format!("networks.{key}.driver"), "there is one server: the network is a bridge", "");
    }
    let mut all = labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect::<BTreeMap<_, _>>();
    all.insert("com.dokku.network-name".into(), name.to_owned());
    all.insert(crate::plan::raw::PROJECT_LABEL.into(), ctx.project.to_owned());
    NetworkSpec {
        name: name.to_owned(),
        driver: driver.clone().filter(|driver| driver != "overlay" && driver != "default").unwrap_or_default(),
        options: driver_opts.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        internal: *internal,
        attachable: true,
        ipv6: enable_ipv6.unwrap_or(false),
        ipam: ipam
            .config
            .iter()
            .map(|pool| IpamPool {
                subnet: pool.subnet.clone().unwrap_or_default(),
                gateway: pool.gateway.clone().unwrap_or_default(),
                ip_range: pool.ip_range.clone().unwrap_or_default(),
                aux_addresses: pool.aux_addresses.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            })
            .collect(),
        ipam_options: ipam.options.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        ipam_driver: ipam.driver.clone().filter(|driver| driver != "default").unwrap_or_default(),
        labels: all,
    }
}

/// Puts a service on its networks, found there by its own name, `container_name`, aliases and the names under which others link it.
pub(super) fn join(ctx: &Context<'_>, relations: &Relations<'_>, service: &Service, spec: &mut ContainerSpec) {
    if service.network_mode.is_some() {
        return;
    }
    for key in service.networks_by_priority() {
        let settings = service.networks.get(key).and_then(Option::as_ref);
        let mut endpoint = EndpointSpec::default();
        let mut alias = |name: &str| {
            if !name.is_empty() && !endpoint.aliases.iter().any(|known| known == name) {
                endpoint.aliases.push(name.to_owned());
            }
        };
        if settings.and_then(|settings| settings.use_service_name_alias) != Some(false) {
            alias(&service.name);
        }
        alias(service.container_name.as_deref().unwrap_or_default());
        for name in settings.into_iter().flat_map(|settings| &settings.aliases) {
            alias(name);
        }
        for name in relations.linked_as(&service.name) {
            alias(name);
        }
        if let Some(settings) = settings {
            endpoint.ipv4 = settings.ipv4_address.clone().unwrap_or_default();
            endpoint.ipv6 = settings.ipv6_address.clone().unwrap_or_default();
            endpoint.mac = settings.mac_address.clone().unwrap_or_default();
            endpoint.link_local = settings.link_local_ips.clone();
            endpoint.options = settings.driver_opts.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        }
        spec.networks.push((name(ctx, key), endpoint));
    }
}
