//! Addresses of networks and services, as far as the file alone tells that they cannot be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::context::Context;
use super::resources::Desired;
use crate::diag::Diagnostic;

/// A network in CIDR form, as address and bits of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: u128,
    bits: u32,
    wide: bool,
}

impl Cidr {
    /// Reads `10.0.0.0/16` or `fd00::/64`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, wide) = number(address.parse().ok()?);
        let bits: u32 = bits.parse().ok()?;
        (bits <= if wide { 128 } else { 32 }).then(|| Self { address: address & mask(bits, wide), bits, wide })
    }

    /// Whether two share an address.
    pub fn overlaps(self, other: Self) -> bool {
        let bits = self.bits.min(other.bits);
        self.wide == other.wide && self.address & mask(bits, self.wide) == other.address & mask(bits, self.wide)
    }

    /// Whether an address is in it.
    pub fn holds(self, address: IpAddr) -> bool {
        let (address, wide) = number(address);
        self.wide == wide && address & mask(self.bits, wide) == self.address
    }
}

fn number(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), false),
        IpAddr::V6(address) => (u128::from(address), true),
    }
}

fn mask(bits: u32, wide: bool) -> u128 {
    let width = if wide { 128 } else { 32 };
    // A shift by all of its width is none.
    let host = u128::MAX.checked_shl(width - bits.min(width)).unwrap_or(0);
    if wide { host } else { host & u128::from(u32::MAX) }
}

/// Reports subnets of one file that overlap, and addresses that their network does not have or that two ask for.
pub(super) fn check(ctx: &Context<'_>, desired: &Desired) {
    let mut subnets: Vec<(Cidr, String, &str)> = Vec::new();
    for (key, network) in ctx.compose.networks.iter().filter(|(_, network)| !network.external) {
        for (index, pool) in network.ipam.config.iter().enumerate() {
            let Some(text) = pool.subnet.as_deref() else { continue };
            let path = format!("networks.{key}.ipam.config[{index}].subnet");
            let Some(subnet) = Cidr::parse(text) else {
                ctx.error("invalid-subnet", &path, format!("{text} is no subnet"), "write it as 10.9.0.0/16");
                continue;
            };
            if let Some((_, first, other)) = subnets.iter().find(|(known, _, _)| known.overlaps(subnet)) {
                let message = format!("the subnet {text} overlaps with {other}");
                pair(ctx, "subnet-taken", message, &path, first, "give one of them another");
            }
            subnets.push((subnet, path, text));
        }
    }
    let mut held: BTreeMap<(&str, IpAddr), String> = BTreeMap::new();
    for name in desired.services.keys() {
        let Some(service) = ctx.compose.services.get(name) else { continue };
        for (key, settings) in service.networks.iter().filter_map(|(key, settings)| Some((key, settings.as_ref()?))) {
            for (field, text) in [("ipv4_address", &settings.ipv4_address), ("ipv6_address", &settings.ipv6_address)] {
                let Some(text) = text.as_deref() else { continue };
                let path = format!("services.{name}.networks.{key}.{field}");
                let Ok(address) = text.parse::<IpAddr>() else {
                    ctx.error("invalid-address", &path, format!("{text} is no address"), "write it as 10.9.0.5");
                    continue;
                };
                outside(ctx, key, text, address, &path);
                match held.get(&(key.as_str(), address)) {
                    Some(first) => {
                        let message = format!("the address {text} of the network {key} is another service's");
                        pair(ctx, "address-taken", message, &path, first, "give one of them another");
                    }
                    None => drop(held.insert((key, address), path)),
                }
            }
        }
    }
}

/// The engine gives an address that is asked for only on a network whose subnet is said.
fn outside(ctx: &Context<'_>, key: &str, text: &str, address: IpAddr, path: &str) {
    let Some(network) = ctx.compose.networks.get(key).filter(|network| !network.external) else { return };
    let pools: Vec<&str> = network.ipam.config.iter().filter_map(|pool| pool.subnet.as_deref()).collect();
    let subnets: Vec<Cidr> = pools.iter().filter_map(|pool| Cidr::parse(pool)).collect();
    if subnets.len() != pools.len() || subnets.iter().any(|subnet| subnet.holds(address)) {
        return;
    }
    let (message, hint) = if pools.is_empty() {
        (
            format!("{text} is asked for, and the network {key} has no subnet of its own"),
            "give it ipam: {config: [{subnet: ...}]}",
        )
    } else {
        (
            format!("{text} is outside of the network {key}, which has {}", pools.join(", ")),
            "choose an address of the subnet",
        )
    };
    ctx.error("address-outside", path, message, hint);
}

fn pair(ctx: &Context<'_>, code: &'static str, message: String, path: &str, first: &str, hint: &str) {
    let mut diagnostic = Diagnostic::error(code, message);
    if let Some(span) = ctx.compose.span(path) {
        diagnostic = diagnostic.at(span);
    }
    if let Some(span) = ctx.compose.span(first) {
        diagnostic = diagnostic.label(span, "asked for here first");
    }
    ctx.findings.push(diagnostic.hint(hint));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_overlap_and_hold() {
        let cidr = |text: &str| Cidr::parse(text).unwrap();
        assert!(cidr("10.0.0.0/8").overlaps(cidr("10.9.0.0/16")) && cidr("10.9.0.0/16").overlaps(cidr("10.0.0.0/8")));
        assert!(!cidr("10.8.0.0/16").overlaps(cidr("10.9.0.0/16")));
        assert!(!cidr("0.0.0.0/0").overlaps(cidr("::/0")));
        assert!(cidr("fd00:1::/64").holds("fd00:1::5".parse().unwrap()));
        assert!(cidr("10.9.0.0/16").holds("10.9.255.1".parse().unwrap()));
        assert!(!cidr("10.9.0.0/16").holds("10.10.0.1".parse().unwrap()));
        assert!(cidr("0.0.0.0/0").holds("1.2.3.4".parse().unwrap()));
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129"] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }
}
