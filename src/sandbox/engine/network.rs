//! The played engine's networks: pools, addresses and names.

use super::super::world::World;
use super::state::{Container, Endpoint, Network, State, broken, refused};
use crate::docker::EngineResult;

impl State {
    /// A new network; the pools are the caller's or the next free one.
    pub fn network_create(&mut self, world: &World, name: &str, mut network: Network) -> EngineResult<()> {
        if self.networks.contains_key(name) {
            return refused(409, format!("network with name {name} already exists"));
        }
        for subnet in &network.subnets {
            if let Some((other, _)) =
                self.networks.iter().find(|(_, other)| other.subnets.iter().any(|taken| overlap(taken, subnet)))
            {
                return refused(
                    403,
                    format!("Pool overlaps with other one on this address space: {subnet} and network {other}"),
                );
            }
        }
        network.id = world.fresh_id("network").map_err(broken)?;
        if network.driver.is_empty() {
            network.driver = "bridge".to_owned();
        }
        if network.subnets.is_empty() && network.driver == "bridge" {
            let free =
                (18..32).map(|n| format!("172.{n}.0.0/16")).chain((0..16).map(|n| format!("192.168.{}.0/20", n * 16)));
            let taken = |subnet: &String| {
                self.networks.values().any(|other| other.subnets.iter().any(|taken| overlap(taken, subnet)))
            };
            match free.into_iter().find(|subnet| !taken(subnet)) {
                Some(subnet) => network.subnets.push(subnet),
                None => {
                    return refused(
                        400,
                        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                    );
                }
            }
        }
        network.last_host = 1;
        self.networks.insert(name.to_owned(), network);
        Ok(())
    }

    /// Removes a network that no running container is on.
    pub fn network_remove(&mut self, name: &str) -> EngineResult<()> {
        let Some(network) = self.networks.get(name) else {
            return refused(404, format!("network {name} not found"));
        };
        if matches!(name, "bridge" | "host" | "none") {
            return refused(403, format!("{name} is a pre-defined network and cannot be removed"));
        }
        let active = |container: &&Container| container.networks.contains_key(name) && container.active();
        if self.containers.values().any(|container| active(&container)) {
            return refused(
                403,
                format!("error while removing network: network {name} id {} has active endpoints", network.id),
            );
        }
        self.networks.remove(name);
        Ok(())
    }

    /// Puts a container on a network; an address of its own pool is given where none is asked for.
    pub fn connect(&mut self, network: &str, container: &str, aliases: &[String], address: &str) -> EngineResult<()> {
        let id = self.container_mut(container)?.id.clone();
        if self.containers[&id].networks.contains_key(network) {
            return Ok(());
        }
        let taken: Vec<String> = self
            .containers
            .values()
            .filter(|other| other.active() || other.status == "created")
            .filter_map(|other| other.networks.get(network).map(|endpoint| endpoint.address.clone()))
            .collect();
        let Some(facts) = self.networks.get_mut(network) else {
            return refused(404, format!("network {network} not found"));
        };
        let given = if address.is_empty() {
            loop {
                facts.last_host += 1;
                let next = facts.subnets.first().map(|subnet| host(subnet, facts.last_host)).unwrap_or_default();
                if next.is_empty() || !taken.contains(&next) {
                    break next;
                }
            }
        } else if !facts.subnets.iter().any(|subnet| overlap(subnet, &format!("{address}/32"))) {
            return refused(
                400,
                format!("invalid endpoint settings: no configured subnet contains IP address {address}"),
            );
        } else if taken.iter().any(|taken| taken == address) {
            return refused(403, "Address already in use");
        } else {
            address.to_owned()
        };
        let endpoint = Endpoint { aliases: aliases.to_vec(), address: given, fixed: !address.is_empty() };
        self.container_mut(container)?.networks.insert(network.to_owned(), endpoint);
        Ok(())
    }

    /// The addresses that `name` resolves to for who is on `networks` and has `links`.
    pub fn resolve(&self, networks: &[String], links: &[String], name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for network in networks {
            for container in self.containers.values().filter(|container| container.active()) {
                let Some(endpoint) = container.networks.get(network) else { continue };
                let linked = links.iter().any(|link| {
                    link.split_once(':').is_some_and(|(target, alias)| alias == name && target == container.name)
                });
                let named = network != "bridge"
                    && (container.name == name
                        || endpoint.aliases.iter().any(|alias| alias == name)
                        || container.hostname == name
                        || container.id[..12] == *name);
                if (named || linked) && !found.contains(&endpoint.address) {
                    found.push(endpoint.address.clone());
                }
            }
        }
        found
    }
}

fn range(cidr: &str) -> Option<(u32, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    let first = u32::from(address) & mask;
    Some((first, first | !mask))
}

fn overlap(a: &str, b: &str) -> bool {
    match (range(a), range(b)) {
        (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
        _ => false,
    }
}

fn host(subnet: &str, number: u32) -> String {
    range(subnet).map(|(first, _)| std::net::Ipv4Addr::from(first + number).to_string()).unwrap_or_default()
}
