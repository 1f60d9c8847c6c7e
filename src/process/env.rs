//! The environment of a child: an allow-list, because Dokku hands a plugin its caller's whole
//! environment, in which secrets, `COMPOSE_*`, git's quarantine and Dokku's own global flags travel.

use std::collections::BTreeMap;

/// Where programs are looked for, whatever the caller's `PATH` says. It is `sudo`'s usual
/// `secure_path`; over ssh Dokku is called with a `PATH` that lacks the `sbin` directories.
pub const SAFE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";

/// What passes, besides `PATH`: who calls (user-auth plugins decide by it), where Dokku lives,
/// which engine it uses, the language.
///
/// Left out on purpose: `DOKKU_APP_NAME`, `DOKKU_GLOBAL_FLAGS`, `DOKKU_APPS_FORCE_DELETE`,
/// `DOKKU_QUIET_OUTPUT`, `DOKKU_TRACE` (flags of the outer command that change what a nested one
/// does), `DOKKU_BUILD_*`, `DOKKU_REDIRECT_OUTPUT`, `DOKKU_PID`, `SSH_ORIGINAL_COMMAND` (they make
/// a nested deploy part of the outer one) and every `GIT_*` (a push's object quarantine).
const ALLOWED: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SSH_USER",
    "SSH_NAME",
    "NAME",
    "FINGERPRINT",
    "DOCKER_BIN",
    "DOCKER_HOST",
    "DOKKU_ROOT",
    "DOKKU_HOST_ROOT",
    "DOKKU_LIB_PATH",
    "DOKKU_LIB_ROOT",
    "DOKKU_LIB_HOST_ROOT",
    "DOKKU_LOGS_DIR",
    "DOKKU_LOGS_HOST_DIR",
    "DOKKU_SYSTEM_USER",
    "DOKKU_SYSTEM_GROUP",
    "DOKKU_DISTRO",
    "DOKKU_API_VERSION",
    "DOKKU_NOT_IMPLEMENTED_EXIT",
    "DOKKU_VALID_EXIT",
    "PLUGIN_PATH",
    "PLUGIN_AVAILABLE_PATH",
    "PLUGIN_ENABLED_PATH",
    "PLUGIN_CORE_PATH",
    "PLUGIN_CORE_AVAILABLE_PATH",
    "PLUGIN_CORE_ENABLED_PATH",
];

/// The part of `env` that a child may see, with a [`SAFE_PATH`].
///
/// Dokku derives `SSH_NAME` from `NAME` on every call, so a caller's key name that is only in
/// `SSH_NAME` is given as `NAME` too; else a nested call would run as the key `default`.
pub fn child_env(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut child: BTreeMap<String, String> =
        ALLOWED.iter().filter_map(|name| env.get(*name).map(|value| ((*name).to_owned(), value.clone()))).collect();
    child.insert("PATH".to_owned(), SAFE_PATH.to_owned());
    if let (false, Some(key)) = (child.contains_key("NAME"), child.get("SSH_NAME").cloned()) {
        child.insert("NAME".to_owned(), key);
    }
    child
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn passes_the_allow_list_only() {
        let child = child_env(&env(&[
            ("PATH", "/tmp/evil"),
            ("HOME", "/home/dokku"),
            ("SSH_USER", "dokku"),
            ("NAME", "admin"),
            ("DOKKU_ROOT", "/home/dokku"),
            ("DOKKU_APP_NAME", "shop"),
            ("DOKKU_APPS_FORCE_DELETE", "1"),
            ("DOKKU_GLOBAL_FLAGS", "--force"),
            ("DOKKU_QUIET_OUTPUT", "1"),
            ("DOKKU_TRACE", "1"),
            ("DOKKU_PID", "1"),
            ("DOKKU_BUILD_ID", "1"),
            ("GIT_QUARANTINE_PATH", "/x"),
            ("GIT_OBJECT_DIRECTORY", "/x"),
            ("SSH_ORIGINAL_COMMAND", "x"),
            ("COMPOSE_FILE", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("BASH_ENV", "/tmp/evil"),
            ("LD_PRELOAD", "/tmp/evil"),
        ]));
        let expected = env(&[
            ("PATH", SAFE_PATH),
            ("HOME", "/home/dokku"),
            ("SSH_USER", "dokku"),
            ("NAME", "admin"),
            ("DOKKU_ROOT", "/home/dokku"),
        ]);
        assert_eq!(child, expected);
    }

    #[test]
    fn a_key_name_known_only_as_ssh_name_is_kept() {
        let child = child_env(&env(&[("SSH_NAME", "deploy")]));
        assert_eq!(child.get("NAME").map(String::as_str), Some("deploy"));
    }
}
