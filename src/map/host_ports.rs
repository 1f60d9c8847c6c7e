//! Ports of the host: two cannot hold one, on the same address or on one that includes it.

use std::net::IpAddr;

use super::context::Context;
use super::resources::Desired;
use crate::diag::Diagnostic;

/// A port that is published, or a range of which one is taken.
struct Held<'a> {
    service: &'a str,
    path: String,
    address: Option<IpAddr>,
    protocol: &'a str,
    first: u16,
    last: u16,
    target: u32,
}

/// Reports every pair that cannot be, with both places.
pub(super) fn check(ctx: &Context<'_>, desired: &Desired) {
    let mut held: Vec<Held<'_>> = Vec::new();
    for name in desired.services.keys() {
        let Some(service) = ctx.compose.services.get(name) else { continue };
        for (index, port) in service.ports.iter().enumerate() {
            let path = format!("services.{name}.ports[{index}]");
            if port.mode.as_deref() == Some("host") {
                ctx.approximated(&format!("{path}.mode"), "there is one server: as with ingress", "");
            }
            let Some((first, last)) = port.published.as_deref().and_then(super::pushed::range) else { continue };
            let address = port.host_ip.as_deref().filter(|address| !address.is_empty());
            held.push(Held {
                service: name,
                path,
                address: address.and_then(|address| address.trim_matches(['[', ']']).parse().ok()),
                protocol: port.protocol.as_deref().unwrap_or("tcp"),
                first,
                last,
                target: port.target,
            });
        }
    }
    // By number: what overlaps stands close together, also among thousands.
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|at| (held[*at].first, *at));
    let mut pairs = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for at in order {
        open.retain(|other| held[*other].last >= held[at].first);
        pairs.extend(open.iter().map(|other| (at.min(*other), at.max(*other))));
        open.push(at);
    }
    pairs.sort_unstable();
    for (one, two) in pairs.into_iter().map(|(one, two)| (&held[one], &held[two])) {
        // The same line twice is one wish.
        let same = one.service == two.service && one.target == two.target && one.address == two.address;
        if one.protocol == two.protocol && include(one.address, two.address) && !same {
            report(ctx, one, two);
        }
    }
}

/// Whether two addresses share a place to listen; `None` is every address.
fn include(one: Option<IpAddr>, two: Option<IpAddr>) -> bool {
    let (Some(one), Some(two)) = (one, two) else { return true };
    one == two || one.is_ipv4() == two.is_ipv4() && (one.is_unspecified() || two.is_unspecified())
}

fn report(ctx: &Context<'_>, one: &Held<'_>, two: &Held<'_>) {
    let shown = |held: &Held<'_>| {
        let range =
            if held.first == held.last { held.first.to_string() } else { format!("{}-{}", held.first, held.last) };
        match held.address {
            Some(IpAddr::V6(address)) => format!("[{address}]:{range}"),
            Some(address) => format!("{address}:{range}"),
            None => range,
        }
    };
    let message = if one.service == two.service {
        format!("{} publishes port {} twice", one.service, shown(two))
    } else if shown(one) == shown(two) {
        format!("port {} is published by {} and by {}", shown(one), one.service, two.service)
    } else {
        format!("port {} of {} and port {} of {} overlap", shown(one), one.service, shown(two), two.service)
    };
    let mut diagnostic = Diagnostic::error("port-taken", message);
    if let Some(span) = ctx.compose.span(&two.path) {
        diagnostic = diagnostic.at(span);
    }
    if let Some(span) = ctx.compose.span(&one.path) {
        diagnostic = diagnostic.label(span, "published here first");
    }
    ctx.findings.push(diagnostic.hint("publish one of them on another port"));
}
