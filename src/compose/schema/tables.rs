//! The keys of the Compose Specification and the shapes of their values.
//!
//! From the schema of compose-spec (2026-06) with what the reference
//! implementation compose-go 2.16 adds: `pre_start`, `umask`,
//! `use_service_name_alias`, `no_cache_filter`.

use super::Shape::{Any, Choice, Either, Integer, List, Map, Object as Mapping, Scalar, Text};
use super::{Keys, Object, Shape, Types};

const STRING: Shape = Scalar(Types::of(Types::STRING));
const NUMBER: Shape = Scalar(Types::of(Types::NUMBER));
const BOOLEAN: Shape = Scalar(Types::of(Types::BOOLEAN));
const NULL: Shape = Scalar(Types::of(Types::NULL));
const STRING_OR_NUMBER: Shape = Scalar(Types::of(Types::STRING | Types::NUMBER));
const STRING_OR_INTEGER: Shape = Scalar(Types::of(Types::STRING | Types::INTEGER));
const STRING_OR_BOOLEAN: Shape = Scalar(Types::of(Types::STRING | Types::BOOLEAN));
const INTEGER: Shape = Scalar(Types::of(Types::INTEGER));
const ANY_SCALAR: Shape = Scalar(Types::of(Types::STRING | Types::NUMBER | Types::BOOLEAN | Types::NULL));

const STRINGS: Shape = List { item: &STRING, unique: false };
const UNIQUE_STRINGS: Shape = List { item: &STRING, unique: true };
const STRING_OR_LIST: Shape = Either(&[STRING, UNIQUE_STRINGS]);
const LIST_OR_DICT: Shape = Either(&[Map { value: &ANY_SCALAR, keys: Keys::NotEmpty }, UNIQUE_STRINGS]);
const OPTIONS: Shape = Map { value: &STRING_OR_NUMBER, keys: Keys::NotEmpty };
const COMMAND: Shape = Either(&[NULL, STRING, STRINGS]);
const EXTRA_HOSTS: Shape = Either(&[Map { value: &Either(&[STRING, STRINGS]), keys: Keys::NotEmpty }, UNIQUE_STRINGS]);

/// A mapping of known keys that also takes `x-*`.
const fn object(keys: &'static [(&'static str, Shape)]) -> Object {
    Object { keys, required: &[], extensions: true, closed: true }
}

/// The same with keys that must be there.
const fn object_with(keys: &'static [(&'static str, Shape)], required: &'static [&'static str]) -> Object {
    Object { keys, required, extensions: true, closed: true }
}

/// A mapping of known keys that takes no `x-*`.
const fn strict(keys: &'static [(&'static str, Shape)], required: &'static [&'static str]) -> Object {
    Object { keys, required, extensions: false, closed: true }
}

/// A whole file.
pub(super) static COMPOSE: Object = object(&[
    ("version", STRING),
    ("name", STRING),
    ("include", List { item: &Either(&[STRING, Mapping(&INCLUDE)]), unique: false }),
    ("services", Map { value: &Mapping(&SERVICE), keys: Keys::Names }),
    ("models", Map { value: &Mapping(&MODEL), keys: Keys::Names }),
    ("networks", Map { value: &Either(&[Mapping(&NETWORK), NULL]), keys: Keys::Names }),
    ("volumes", Map { value: &Either(&[Mapping(&VOLUME), NULL]), keys: Keys::Names }),
    ("secrets", Map { value: &Mapping(&SECRET), keys: Keys::Names }),
    ("configs", Map { value: &Mapping(&CONFIG), keys: Keys::Names }),
]);

static INCLUDE: Object =
    strict(&[("path", STRING_OR_LIST), ("env_file", STRING_OR_LIST), ("project_directory", STRING)], &[]);

macro_rules! container_keys {
    ($($more:expr),* $(,)?) => {
        &[
            $($more,)*
            ("annotations", LIST_OR_DICT),
            ("blkio_config", Mapping(&BLKIO)),
            ("cap_add", UNIQUE_STRINGS),
            ("cap_drop", UNIQUE_STRINGS),
            ("cgroup", Choice(&["host", "private"])),
            ("cgroup_parent", STRING),
            ("command", COMMAND),
            ("configs", FILE_MOUNTS),
            ("cpu_count", Integer(0, i64::MAX)),
            ("cpu_percent", Integer(0, 100)),
            ("cpu_shares", STRING_OR_NUMBER),
            ("cpu_quota", STRING_OR_NUMBER),
            ("cpu_period", STRING_OR_NUMBER),
            ("cpu_rt_period", STRING_OR_NUMBER),
            ("cpu_rt_runtime", STRING_OR_NUMBER),
            ("cpus", STRING_OR_NUMBER),
            ("cpuset", STRING),
            ("credential_spec", Mapping(&CREDENTIAL_SPEC)),
            ("device_cgroup_rules", UNIQUE_STRINGS),
            ("devices", List { item: &Either(&[STRING, Mapping(&DEVICE)]), unique: false }),
            ("dns", STRING_OR_LIST),
            ("dns_opt", UNIQUE_STRINGS),
            ("dns_search", STRING_OR_LIST),
            ("domainname", STRING),
            ("entrypoint", COMMAND),
            ("env_file", Either(&[STRING, List { item: &Either(&[STRING, Mapping(&ENV_FILE)]), unique: false }])),
            ("environment", LIST_OR_DICT),
            ("extra_hosts", EXTRA_HOSTS),
            ("gpus", Either(&[Choice(&["all"]), List { item: &Mapping(&GPU), unique: false }])),
            ("group_add", List { item: &STRING_OR_NUMBER, unique: true }),
            ("hostname", STRING),
            ("image", STRING),
            ("init", STRING_OR_BOOLEAN),
            ("ipc", STRING),
            ("isolation", STRING),
            ("label_file", Either(&[STRING, STRINGS])),
            ("labels", LIST_OR_DICT),
            ("logging", Mapping(&LOGGING)),
            ("mac_address", STRING),
            ("mem_limit", STRING_OR_NUMBER),
            ("mem_reservation", STRING_OR_INTEGER),
            ("mem_swappiness", STRING_OR_INTEGER),
            ("memswap_limit", STRING_OR_NUMBER),
            ("models", Either(&[UNIQUE_STRINGS, Map { value: &Either(&[Mapping(&SERVICE_MODEL), NULL]), keys: Keys::Names }])),
            ("network_mode", STRING),
            ("networks", Either(&[UNIQUE_STRINGS, Map { value: &Either(&[Mapping(&SERVICE_NETWORK), NULL]), keys: Keys::Names }])),
            ("oom_kill_disable", STRING_OR_BOOLEAN),
            ("oom_score_adj", Integer(-1000, 1000)),
            ("pid", Either(&[STRING, NULL])),
            ("pids_limit", STRING_OR_NUMBER),
            ("platform", STRING),
            ("privileged", STRING_OR_BOOLEAN),
            ("pull_policy", Text(is_pull_policy, "`always`, `never`, `missing`, `build`, `refresh`, `daily`, `weekly` or `every_<duration>`")),
            ("pull_refresh_after", STRING),
            ("read_only", STRING_OR_BOOLEAN),
            ("runtime", STRING),
            ("secrets", FILE_MOUNTS),
            ("security_opt", UNIQUE_STRINGS),
            ("shm_size", STRING_OR_NUMBER),
            ("stop_grace_period", STRING),
            ("stop_signal", STRING),
            ("storage_opt", Map { value: &Any, keys: Keys::NotEmpty }),
            ("sysctls", LIST_OR_DICT),
            ("tmpfs", STRING_OR_LIST),
            ("ulimits", ULIMITS),
            ("umask", Either(&[Integer(0, 4_294_967_295), NULL])),
            ("use_api_socket", BOOLEAN),
            ("user", STRING),
            ("userns_mode", STRING),
            ("uts", STRING),
            ("volumes", List { item: &Either(&[STRING, Mapping(&VOLUME_MOUNT)]), unique: true }),
            ("volumes_from", UNIQUE_STRINGS),
            ("working_dir", STRING),
        ]
    };
}

/// A service.
pub(super) static SERVICE: Object = object(container_keys![
    ("attach", STRING_OR_BOOLEAN),
    ("build", Either(&[STRING, Mapping(&BUILD)])),
    ("container_name", Text(is_container_name, "a container name (two characters at least)")),
    ("depends_on", Either(&[UNIQUE_STRINGS, Map { value: &Mapping(&DEPENDENCY), keys: Keys::Names }])),
    ("deploy", Either(&[Mapping(&DEPLOY), NULL])),
    ("develop", Either(&[Mapping(&DEVELOP), NULL])),
    ("expose", List { item: &STRING_OR_NUMBER, unique: true }),
    ("extends", Either(&[STRING, Mapping(&EXTENDS)])),
    ("external_links", UNIQUE_STRINGS),
    ("healthcheck", Mapping(&HEALTHCHECK)),
    ("links", UNIQUE_STRINGS),
    ("ports", List { item: &Either(&[NUMBER, STRING, Mapping(&PORT)]), unique: true }),
    ("post_start", List { item: &Mapping(&HOOK), unique: false }),
    ("pre_start", List { item: &Mapping(&PRE_START), unique: false }),
    ("pre_stop", List { item: &Mapping(&HOOK), unique: false }),
    ("profiles", UNIQUE_STRINGS),
    ("provider", Mapping(&PROVIDER)),
    ("restart", STRING),
    ("scale", STRING_OR_INTEGER),
    ("stdin_open", STRING_OR_BOOLEAN),
    ("tty", STRING_OR_BOOLEAN),
]);

static PRE_START: Object = object(container_keys![("per_replica", STRING_OR_BOOLEAN)]);

static HOOK: Object = object_with(
    &[
        ("command", COMMAND),
        ("user", STRING),
        ("privileged", STRING_OR_BOOLEAN),
        ("working_dir", STRING),
        ("environment", LIST_OR_DICT),
    ],
    &["command"],
);

static BUILD: Object = object(&[
    ("context", STRING),
    ("dockerfile", STRING),
    ("dockerfile_inline", STRING),
    ("entitlements", STRINGS),
    ("args", LIST_OR_DICT),
    ("ssh", LIST_OR_DICT),
    ("labels", LIST_OR_DICT),
    ("cache_from", STRINGS),
    ("cache_to", STRINGS),
    ("no_cache", STRING_OR_BOOLEAN),
    ("no_cache_filter", STRING_OR_LIST),
    ("additional_contexts", LIST_OR_DICT),
    ("network", STRING),
    ("provenance", STRING_OR_BOOLEAN),
    ("sbom", STRING_OR_BOOLEAN),
    ("pull", STRING_OR_BOOLEAN),
    ("target", STRING),
    ("shm_size", STRING_OR_INTEGER),
    ("extra_hosts", EXTRA_HOSTS),
    ("isolation", STRING),
    ("privileged", STRING_OR_BOOLEAN),
    ("secrets", FILE_MOUNTS),
    ("tags", STRINGS),
    ("ulimits", ULIMITS),
    ("platforms", STRINGS),
]);

static DEPENDENCY: Object = object_with(
    &[
        ("restart", STRING_OR_BOOLEAN),
        ("required", BOOLEAN),
        ("condition", Choice(&["service_started", "service_healthy", "service_completed_successfully"])),
    ],
    &["condition"],
);

static EXTENDS: Object = strict(&[("service", STRING), ("file", STRING)], &["service"]);

static HEALTHCHECK: Object = object(&[
    ("disable", STRING_OR_BOOLEAN),
    ("interval", STRING),
    ("retries", STRING_OR_NUMBER),
    ("test", Either(&[STRING, STRINGS])),
    ("timeout", STRING),
    ("start_period", STRING),
    ("start_interval", STRING),
]);

static PORT: Object = object(&[
    ("name", STRING),
    ("mode", STRING),
    ("host_ip", STRING),
    ("target", STRING_OR_INTEGER),
    ("published", STRING_OR_INTEGER),
    ("protocol", STRING),
    ("app_protocol", STRING),
]);

static PROVIDER: Object = object_with(
    &[
        ("type", STRING),
        (
            "options",
            Map {
                value: &Either(&[PROVIDER_VALUE, List { item: &PROVIDER_VALUE, unique: false }]),
                keys: Keys::NotEmpty,
            },
        ),
    ],
    &["type"],
);
const PROVIDER_VALUE: Shape = Scalar(Types::of(Types::STRING | Types::NUMBER | Types::BOOLEAN));

static DEVELOP: Object = object(&[("watch", List { item: &Mapping(&WATCH), unique: false })]);

static WATCH: Object = object_with(
    &[
        ("ignore", STRING_OR_LIST),
        ("include", STRING_OR_LIST),
        ("path", STRING),
        ("action", Choice(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
        ("target", STRING),
        ("exec", Mapping(&HOOK)),
        ("initial_sync", BOOLEAN),
    ],
    &["path", "action"],
);

static DEPLOY: Object = object(&[
    ("mode", STRING),
    ("endpoint_mode", STRING),
    ("replicas", STRING_OR_INTEGER),
    ("labels", LIST_OR_DICT),
    ("rollback_config", Mapping(&UPDATE_CONFIG)),
    ("update_config", Mapping(&UPDATE_CONFIG)),
    ("resources", Mapping(&RESOURCES)),
    ("restart_policy", Mapping(&RESTART_POLICY)),
    ("placement", Mapping(&PLACEMENT)),
]);

static UPDATE_CONFIG: Object = object(&[
    ("parallelism", STRING_OR_INTEGER),
    ("delay", STRING),
    ("failure_action", STRING),
    ("monitor", STRING),
    ("max_failure_ratio", STRING_OR_NUMBER),
    ("order", Choice(&["start-first", "stop-first"])),
]);

static RESOURCES: Object = object(&[("limits", Mapping(&LIMITS)), ("reservations", Mapping(&RESERVATIONS))]);

static LIMITS: Object = object(&[("cpus", STRING_OR_NUMBER), ("memory", STRING), ("pids", STRING_OR_INTEGER)]);

static RESERVATIONS: Object = object(&[
    ("cpus", STRING_OR_NUMBER),
    ("memory", STRING),
    ("generic_resources", List { item: &Mapping(&GENERIC_RESOURCE), unique: false }),
    ("devices", List { item: &Mapping(&DEVICE_REQUEST), unique: false }),
]);

static GENERIC_RESOURCE: Object = object(&[("discrete_resource_spec", Mapping(&DISCRETE_RESOURCE))]);
static DISCRETE_RESOURCE: Object = object(&[("kind", STRING), ("value", STRING_OR_NUMBER)]);

static DEVICE_REQUEST: Object = object_with(
    &[
        ("capabilities", UNIQUE_STRINGS),
        ("count", STRING_OR_INTEGER),
        ("device_ids", UNIQUE_STRINGS),
        ("driver", STRING),
        ("options", LIST_OR_DICT),
    ],
    &["capabilities"],
);

// The schema closes the list of GPU requests, not the requests.
static GPU: Object = Object {
    keys: &[
        ("capabilities", UNIQUE_STRINGS),
        ("count", STRING_OR_INTEGER),
        ("device_ids", UNIQUE_STRINGS),
        ("driver", STRING),
        ("options", LIST_OR_DICT),
    ],
    required: &[],
    extensions: true,
    closed: false,
};

static RESTART_POLICY: Object =
    object(&[("condition", STRING), ("delay", STRING), ("max_attempts", STRING_OR_INTEGER), ("window", STRING)]);

static PLACEMENT: Object = object(&[
    ("constraints", STRINGS),
    ("preferences", List { item: &Mapping(&PREFERENCE), unique: false }),
    ("max_replicas_per_node", STRING_OR_INTEGER),
]);
static PREFERENCE: Object = object(&[("spread", STRING)]);

static BLKIO: Object = strict(
    &[
        ("device_read_bps", List { item: &Mapping(&BLKIO_LIMIT), unique: false }),
        ("device_read_iops", List { item: &Mapping(&BLKIO_LIMIT), unique: false }),
        ("device_write_bps", List { item: &Mapping(&BLKIO_LIMIT), unique: false }),
        ("device_write_iops", List { item: &Mapping(&BLKIO_LIMIT), unique: false }),
        ("weight", STRING_OR_INTEGER),
        ("weight_device", List { item: &Mapping(&BLKIO_WEIGHT), unique: false }),
    ],
    &[],
);
static BLKIO_LIMIT: Object = strict(&[("path", STRING), ("rate", STRING_OR_INTEGER)], &[]);
static BLKIO_WEIGHT: Object = strict(&[("path", STRING), ("weight", STRING_OR_INTEGER)], &[]);

static CREDENTIAL_SPEC: Object = object(&[("config", STRING), ("file", STRING), ("registry", STRING)]);
static DEVICE: Object = object_with(&[("source", STRING), ("target", STRING), ("permissions", STRING)], &["source"]);
static ENV_FILE: Object = strict(&[("path", STRING), ("format", STRING), ("required", STRING_OR_BOOLEAN)], &["path"]);
static LOGGING: Object = object(&[
    ("driver", STRING),
    ("options", Map { value: &Scalar(Types::of(Types::STRING | Types::NUMBER | Types::NULL)), keys: Keys::NotEmpty }),
]);
static SERVICE_MODEL: Object = object(&[("endpoint_var", STRING), ("model_var", STRING)]);

static SERVICE_NETWORK: Object = object(&[
    ("aliases", UNIQUE_STRINGS),
    ("interface_name", STRING),
    ("ipv4_address", STRING),
    ("ipv6_address", STRING),
    ("link_local_ips", UNIQUE_STRINGS),
    ("mac_address", STRING),
    ("driver_opts", OPTIONS),
    ("priority", NUMBER),
    ("gw_priority", NUMBER),
    ("use_service_name_alias", STRING_OR_BOOLEAN),
]);

const ULIMITS: Shape = Map { value: &Either(&[STRING_OR_INTEGER, Mapping(&ULIMIT)]), keys: Keys::SmallLetters };
static ULIMIT: Object = object_with(&[("hard", STRING_OR_INTEGER), ("soft", STRING_OR_INTEGER)], &["soft", "hard"]);

const FILE_MOUNTS: Shape = List { item: &Either(&[STRING, Mapping(&FILE_MOUNT)]), unique: false };
static FILE_MOUNT: Object =
    object(&[("source", STRING), ("target", STRING), ("uid", STRING), ("gid", STRING), ("mode", STRING_OR_NUMBER)]);

static VOLUME_MOUNT: Object = object_with(
    &[
        ("type", Choice(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
        ("source", STRING),
        ("target", STRING),
        ("read_only", STRING_OR_BOOLEAN),
        ("consistency", STRING),
        ("bind", Mapping(&BIND)),
        ("volume", Mapping(&VOLUME_OPTIONS)),
        ("tmpfs", Mapping(&TMPFS)),
        ("image", Mapping(&IMAGE_OPTIONS)),
    ],
    &["type"],
);
static BIND: Object = object(&[
    ("propagation", STRING),
    ("create_host_path", STRING_OR_BOOLEAN),
    ("recursive", Choice(&["enabled", "disabled", "writable", "readonly"])),
    ("selinux", Choice(&["z", "Z"])),
]);
static VOLUME_OPTIONS: Object = object(&[("labels", LIST_OR_DICT), ("nocopy", STRING_OR_BOOLEAN), ("subpath", STRING)]);
static TMPFS: Object = object(&[("size", Integer(0, i64::MAX)), ("mode", STRING_OR_NUMBER)]);
static IMAGE_OPTIONS: Object = object(&[("subpath", STRING)]);

static MODEL: Object = object_with(
    &[("name", STRING), ("model", STRING), ("context_size", INTEGER), ("runtime_flags", STRINGS)],
    &["model"],
);

static NETWORK: Object = object(&[
    ("name", STRING),
    ("driver", STRING),
    ("driver_opts", OPTIONS),
    ("ipam", Mapping(&IPAM)),
    ("external", EXTERNAL),
    ("internal", STRING_OR_BOOLEAN),
    ("enable_ipv4", STRING_OR_BOOLEAN),
    ("enable_ipv6", STRING_OR_BOOLEAN),
    ("attachable", STRING_OR_BOOLEAN),
    ("labels", LIST_OR_DICT),
]);
static IPAM: Object = object(&[
    ("driver", STRING),
    ("config", List { item: &Mapping(&IPAM_POOL), unique: false }),
    ("options", Map { value: &STRING, keys: Keys::NotEmpty }),
]);
static IPAM_POOL: Object = object(&[
    ("subnet", STRING),
    ("ip_range", STRING),
    ("gateway", STRING),
    ("aux_addresses", Map { value: &STRING, keys: Keys::NotEmpty }),
]);

static VOLUME: Object = object(&[
    ("name", STRING),
    ("driver", STRING),
    ("driver_opts", OPTIONS),
    ("external", EXTERNAL),
    ("labels", LIST_OR_DICT),
]);

const EXTERNAL: Shape = Either(&[STRING_OR_BOOLEAN, Mapping(&EXTERNAL_NAME)]);
static EXTERNAL_NAME: Object = object(&[("name", STRING)]);
// The schema leaves this mapping open for secrets and configs.
const OPEN_EXTERNAL: Shape = Either(&[STRING_OR_BOOLEAN, Mapping(&OPEN_EXTERNAL_NAME)]);
static OPEN_EXTERNAL_NAME: Object =
    Object { keys: &[("name", STRING)], required: &[], extensions: true, closed: false };

static SECRET: Object = object(&[
    ("name", STRING),
    ("environment", STRING),
    ("file", STRING),
    ("external", OPEN_EXTERNAL),
    ("labels", LIST_OR_DICT),
    ("driver", STRING),
    ("driver_opts", OPTIONS),
    ("template_driver", STRING),
]);

static CONFIG: Object = object(&[
    ("name", STRING),
    ("content", STRING),
    ("environment", STRING),
    ("file", STRING),
    ("external", OPEN_EXTERNAL),
    ("labels", LIST_OR_DICT),
    ("template_driver", STRING),
]);

/// `every_` takes any number of amounts with a unit of w, d, h, m or s.
fn is_pull_policy(text: &str) -> bool {
    if ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"].contains(&text) {
        return true;
    }
    let Some(amounts) = text.strip_prefix("every_") else { return false };
    let mut digits = 0;
    for char in amounts.chars() {
        match char {
            '0'..='9' => digits += 1,
            'w' | 'd' | 'h' | 'm' | 's' if digits > 0 => digits = 0,
            _ => return false,
        }
    }
    !amounts.is_empty() && digits == 0
}

/// The schema's pattern is not anchored: two fitting characters somewhere are enough.
fn is_container_name(text: &str) -> bool {
    let fits = |char: char, more: &str| char.is_ascii_alphanumeric() || more.contains(char);
    text.chars().zip(text.chars().skip(1)).any(|(first, second)| fits(first, "") && fits(second, "_.-"))
}
