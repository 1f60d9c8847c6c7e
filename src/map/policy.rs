//! What the administrator allows a compose file beyond its own containers.
//!
//! Whoever may import a project may by that run anything as root in a container; what leads out of one is refused unless
//! it is allowed by name: `compose:set --global allowed-host-paths` and `allowed-privileges`.

use super::context::Context;
use crate::model::Service;

/// Capabilities that the engine gives every container anyway (Docker reference, "Runtime privilege and Linux capabilities").
const HARMLESS: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Whether the engine gives the capability to every container anyway.
pub(super) fn is_harmless(capability: &str) -> bool {
    HARMLESS.contains(&capability)
}

/// What an administrator allows.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Host paths that may be mounted although they are sensitive, with all that is below them.
    pub paths: Vec<String>,
    /// Privileges as a file has them: `KEY:VALUE`, `KEY` for every value, `all` for everything.
    pub privileges: Vec<String>,
    /// What stands before the names of the settings that allow more: nothing, or `push-`.
    pub settings: &'static str,
}

impl Policy {
    /// Everything is allowed.
    pub fn everything() -> Self {
        Self { paths: vec!["/".into()], privileges: vec!["all".into()], settings: "" }
    }

    /// Whether `key` may have `value` (empty: the key has no value). A path is allowed with all that is below it.
    pub(super) fn allows(&self, key: &str, value: &str) -> bool {
        self.privileges.iter().any(|rule| {
            let (of, what) = rule.split_once(':').unwrap_or((rule, ""));
            let below = || value.strip_prefix(what).is_some_and(|rest| rest.starts_with('/'));
            rule == "all" || of == key && (what.is_empty() || what == value || below())
        })
    }
}

/// Whether a list of rules can be understood; the first that cannot.
pub fn unknown_rule(rules: &[&str]) -> Option<String> {
    let known = |rule: &&str| {
        let key = rule.split(':').next().unwrap_or_default();
        key == "all" || KEYS.contains(&key)
    };
    rules.iter().find(|rule| !known(rule)).map(|rule| (*rule).to_owned())
}

/// Keys that a rule may name.
pub const KEYS: &[&str] = &[
    "build.entitlements",
    "build.network",
    "cap_add",
    "cgroup",
    "device_cgroup_rules",
    "devices",
    "docker-options",
    "ipc",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "userns_mode",
    "uts",
];

/// Whether `key` may have `value`; an error with the rule at `path` where it may not.
pub(super) fn allow(ctx: &Context<'_>, key: &str, value: &str, path: &str) -> bool {
    if ctx.policy.allows(key, value) {
        return true;
    }
    let rule = if value.is_empty() { key.to_owned() } else { format!("{key}:{value}") };
    // The setting is given as a whole: the last of several hints allows all that was refused.
    let refused = ctx.findings.refuse("allowed-privileges", &rule);
    let all = ctx.policy.privileges.iter().cloned().chain(refused).collect::<Vec<_>>().join(",");
    let all = if all.contains(' ') { format!("'{all}'") } else { all };
    let service = path.split('.').nth(1).unwrap_or_default();
    ctx.error(
        "privilege",
        path,
        format!("{service} asks for {rule}, which is not allowed: it would give the container the server"),
        &format!(
            "an administrator can allow it: dokku compose:set --global {}allowed-privileges {all}",
            ctx.policy.settings
        ),
    );
    false
}

/// Refuses what leads out of the containers of `service`, with the rule and the place.
pub(super) fn check(ctx: &Context<'_>, service: &Service) {
    let guard = |key: &str, value: &str, at: &str| {
        allow(ctx, key, value, &format!("services.{}.{at}", service.name));
    };
    if service.privileged {
        guard("privileged", "", "privileged");
    }
    for (index, capability) in service.cap_add.iter().enumerate() {
        let name = capability.to_ascii_uppercase();
        let name = name.strip_prefix("CAP_").unwrap_or(&name);
        if !HARMLESS.contains(&name) {
            guard("cap_add", name, &format!("cap_add[{index}]"));
        }
    }
    for (index, device) in service.devices.iter().enumerate() {
        guard("devices", device.source.as_deref().unwrap_or_default(), &format!("devices[{index}]"));
    }
    for (index, rule) in service.device_cgroup_rules.iter().enumerate() {
        guard("device_cgroup_rules", rule, &format!("device_cgroup_rules[{index}]"));
    }
    for (key, mode) in [
        ("network_mode", &service.network_mode),
        ("pid", &service.pid),
        ("ipc", &service.ipc),
        ("uts", &service.uts),
        ("userns_mode", &service.userns_mode),
        ("cgroup", &service.cgroup),
    ] {
        let Some(mode) = mode.as_deref() else { continue };
        if mode == "host" || mode.starts_with("container:") {
            guard(key, mode, key);
        }
    }
    for (index, option) in service.security_opt.iter().enumerate() {
        let option = option.replacen(':', "=", 1);
        if !option.starts_with("no-new-privileges") {
            guard("security_opt", &option, &format!("security_opt[{index}]"));
        }
    }
    if let Some(build) = &service.build {
        if build.network.as_deref() == Some("host") {
            guard("build.network", "host", "build.network");
        }
        for (index, right) in build.entitlements.iter().enumerate() {
            guard("build.entitlements", right, &format!("build.entitlements[{index}]"));
        }
        if build.privileged {
            guard("build.entitlements", "security.insecure", "build.privileged");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[&str]) -> Policy {
        Policy { privileges: rules.iter().map(|rule| (*rule).to_owned()).collect(), ..Policy::default() }
    }

    #[test]
    fn a_rule_allows_what_it_names() {
        let some = policy(&["cap_add:NET_ADMIN", "devices:/dev/dri", "pid", "network_mode:container:vpn"]);
        assert!(some.allows("cap_add", "NET_ADMIN") && !some.allows("cap_add", "SYS_ADMIN"));
        assert!(some.allows("devices", "/dev/dri") && some.allows("devices", "/dev/dri/card0"));
        assert!(!some.allows("devices", "/dev/dri2") && !some.allows("devices", "/dev"));
        assert!(some.allows("pid", "host") && !some.allows("ipc", "host"));
        assert!(some.allows("network_mode", "container:vpn") && !some.allows("network_mode", "container:other"));
        assert!(!some.allows("privileged", "") && policy(&["privileged"]).allows("privileged", ""));
        assert!(Policy::everything().allows("privileged", ""));
    }

    #[test]
    fn rules_are_of_known_keys() {
        assert_eq!(unknown_rule(&["all", "cap_add:X", "privileged"]), None);
        assert_eq!(unknown_rule(&["cap_add:X", "priviledged"]).as_deref(), Some("priviledged"));
    }
}
