//! Compose files, and what a shell in the container then says.

/// How the service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    App,
    Raw,
}

/// One compose file with the service `it`.
pub struct Case {
    pub name: &'static str,
    /// Keys of the service.
    pub service: &'static str,
    /// What stands below it: other services, networks, volumes.
    pub rest: &'static str,
    pub forms: &'static [Form],
    /// Key, question, what the answer holds.
    pub checks: &'static [(&'static str, &'static str, &'static str)],
}

const BOTH: &[Form] = &[Form::App, Form::Raw];
const APP: &[Form] = &[Form::App];
const RAW: &[Form] = &[Form::Raw];

pub const CASES: &[Case] = &[
    Case {
        name: "process",
        service: "
entrypoint: [/standin]
command: [serve, 'two words']
user: '65534:65534'
working_dir: /run
group_add: ['1234']
hostname: inside
domainname: example.org
init: true
tty: true
stdin_open: true
environment: {PLAIN: value, QUOTED: \"it's \\\"so\\\"\", PATH: '/bin:/own'}
env_file: [extra.env]
stop_signal: SIGINT
stop_grace_period: 33s
labels: {team: core}
extra_hosts: {elsewhere: 10.9.8.7}
dns: [9.9.9.9]
dns_search: [corp.example]
dns_opt: ['ndots:3']
expose: ['9000']
oom_score_adj: 300",
        rest: "",
        forms: BOTH,
        checks: &[
            ("command", "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done", "/standin serve two words"),
            ("entrypoint", "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done", "/standin serve"),
            ("user", "id -u", "65534"),
            ("working_dir", "pwd", "/run"),
            ("group_add", "id -G", "1234"),
            ("hostname", "hostname", "inside"),
            ("domainname", "cat /etc/hosts", "inside.example.org"),
            ("init", "cat /proc/1/comm", "docker-init"),
            ("tty", "inspect {{.Config.Tty}}", "true"),
            ("stdin_open", "inspect {{.Config.OpenStdin}}", "true"),
            ("environment", "echo \"$PLAIN $QUOTED $PATH\"", "value it's \"so\" /bin:/own"),
            ("env_file[].path", "echo $EXTRA", "file"),
            ("stop_signal", "inspect {{.Config.StopSignal}}", "SIGINT"),
            ("stop_grace_period", "inspect {{.Config.StopTimeout}}", "33"),
            ("labels", "inspect {{.Config.Labels.team}}", "core"),
            ("extra_hosts", "cat /etc/hosts", "10.9.8.7\telsewhere"),
            ("dns", "inspect {{.HostConfig.Dns}}", "9.9.9.9"),
            ("dns_search", "cat /etc/resolv.conf", "corp.example"),
            ("dns_opt", "cat /etc/resolv.conf", "ndots:3"),
            ("expose", "inspect {{json .Config.ExposedPorts}}", "9000/tcp"),
            ("oom_score_adj", "cat /proc/1/oom_score_adj", "300"),
        ],
    },
    Case {
        name: "limits",
        service: "
mem_limit: 64m
memswap_limit: 96m
mem_reservation: 32m
mem_swappiness: 10
cpus: 0.5
cpu_shares: 512
cpuset: '0'
pids_limit: 60
shm_size: 32m
ulimits: {nproc: {soft: 1000, hard: 2000}}
oom_kill_disable: true
storage_opt: {}
logging: {driver: json-file, options: {max-size: 5m, max-file: '2'}}
restart: on-failure:3
sysctls: {net.ipv4.ip_unprivileged_port_start: '0'}
runtime: runc
platform: linux/amd64",
        rest: "",
        forms: BOTH,
        checks: &[
            (
                "mem_limit",
                "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true",
                "67108864",
            ),
            ("memswap_limit", "inspect {{.HostConfig.MemorySwap}}", "100663296"),
            ("mem_reservation", "inspect {{.HostConfig.MemoryReservation}}", "33554432"),
            ("mem_swappiness", "inspect {{.HostConfig.MemorySwappiness}}", "10"),
            ("cpus", "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; true", "50000"),
            ("cpu_shares", "cat /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpu.weight 2>/dev/null; true", "512"),
            ("cpuset", "grep Cpus_allowed_list /proc/self/status", "\t0\n"),
            ("pids_limit", "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true", "60"),
            ("shm_size", "df -k /dev/shm", "32768"),
            // Not of open files: those runc at times raises itself, when the machine is busy.
            ("ulimits.*.soft", "grep processes /proc/self/limits", " 1000 "),
            ("ulimits.*.hard", "grep processes /proc/self/limits", " 2000 "),
            ("oom_kill_disable", "inspect {{.HostConfig.OomKillDisable}}", "true"),
            ("logging.driver", "inspect {{.HostConfig.LogConfig.Type}}", "json-file"),
            ("logging.options", "inspect {{json .HostConfig.LogConfig.Config}}", "\"max-size\":\"5m\""),
            ("restart", "inspect {{.HostConfig.RestartPolicy}}", "{on-failure 3}"),
            ("sysctls", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "0\n"),
            ("runtime", "inspect {{.HostConfig.Runtime}}", "runc"),
            ("platform", "uname -m", "x86_64"),
        ],
    },
    Case {
        name: "quota",
        service: "
cpu_period: 50000
cpu_quota: 20000",
        rest: "",
        forms: BOTH,
        checks: &[
            (
                "cpu_period",
                "cat /sys/fs/cgroup/cpu/cpu.cfs_period_us /sys/fs/cgroup/cpu.max 2>/dev/null; true",
                "50000",
            ),
            ("cpu_quota", "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; true", "20000"),
        ],
    },
    Case {
        name: "deploy",
        service: "
deploy:
  resources:
    limits: {cpus: '0.25', memory: 48M, pids: 40}
    reservations: {memory: 24M}
  restart_policy: {condition: on-failure, max_attempts: 4}",
        rest: "",
        forms: BOTH,
        checks: &[
            (
                "deploy.resources.limits.cpus",
                "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; true",
                "25000",
            ),
            (
                "deploy.resources.limits.memory",
                "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true",
                "50331648",
            ),
            (
                "deploy.resources.limits.pids",
                "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true",
                "40",
            ),
            ("deploy.resources.reservations.memory", "inspect {{.HostConfig.MemoryReservation}}", "25165824"),
            ("deploy.restart_policy.condition", "inspect {{.HostConfig.RestartPolicy.Name}}", "on-failure"),
            ("deploy.restart_policy.max_attempts", "inspect {{.HostConfig.RestartPolicy.MaximumRetryCount}}", "4"),
        ],
    },
    Case {
        name: "security",
        service: "
cap_add: [SYS_TIME]
cap_drop: [MKNOD]
security_opt: ['no-new-privileges:true']
read_only: true
tmpfs: ['/scratch:size=1m,mode=1700']
devices: ['/dev/null:/dev/nothing:r']
device_cgroup_rules: ['c 1:5 r']
pid: host
ipc: shareable
uts: host
cgroup: private
cgroup_parent: effects-test",
        rest: "",
        forms: BOTH,
        checks: &[
            // Bit 25 of the capabilities; bit 27.
            ("cap_add", "c=$(sed -n 's/^CapBnd:\\t//p' /proc/self/status); echo $(( (0x$c >> 25) & 1 ))", "1"),
            ("cap_drop", "c=$(sed -n 's/^CapBnd:\\t//p' /proc/self/status); echo $(( (0x$c >> 27) & 1 ))", "0"),
            ("security_opt", "grep NoNewPrivs /proc/self/status", "\t1"),
            ("read_only", "touch /x 2>&1; true", "Read-only"),
            ("tmpfs", "grep ' /scratch ' /proc/mounts", "size=1024k"),
            ("devices[].source", "ls /dev/nothing", "/dev/nothing"),
            ("devices[].target", "ls /dev/nothing", "/dev/nothing"),
            ("devices[].permissions", "inspect {{json .HostConfig.Devices}}", "\"CgroupPermissions\":\"r\""),
            ("device_cgroup_rules", "inspect {{json .HostConfig.DeviceCgroupRules}}", "c 1:5 r"),
            ("pid", "cat /proc/2/comm", "kthreadd"),
            ("ipc", "inspect {{.HostConfig.IpcMode}}", "shareable"),
            ("uts", "inspect {{.HostConfig.UTSMode}}", "host"),
            ("cgroup", "inspect {{.HostConfig.CgroupnsMode}}", "private"),
            ("cgroup_parent", "inspect {{.HostConfig.CgroupParent}}", "effects-test"),
        ],
    },
    Case {
        name: "storage",
        service: "
volumes:
  - data:/data
  - {type: volume, source: data, target: /again, read_only: true, volume: {nocopy: true}}
  - ./file.txt:/etc/own.txt:ro
  - ./made:/made
  - {type: tmpfs, target: /fast, tmpfs: {size: 1048576, mode: 0700}}
  - {type: volume, target: /anonymous, volume: {labels: {own: label}}}
volumes_from: [peer]
secrets: [token, {source: token, target: other, mode: 0400}, {source: token, target: owned, uid: '1234', gid: '2345', mode: 0640}]
configs: [app, {source: app, target: /etc/app/conf, mode: 0440}, {source: app, target: /own/conf, uid: '33', gid: '44'}]",
        rest: "
  peer:
    image: effects-test-image:1
    x-dokku: {as: container}
    volumes: ['lent:/lent']
volumes: {data: {labels: {kept: 'yes'}}, lent: {}}
secrets: {token: {file: ./secret.txt}}
configs: {app: {content: written}}",
        forms: BOTH,
        checks: &[
            ("volumes[].type", "echo x >/data/a && cat /again/a", "x"),
            ("volumes[].source", "echo x >/data/a && cat /again/a", "x"),
            ("volumes[].target", "ls -d /data", "/data"),
            (
                "volumes[].read_only",
                "touch /again/b 2>&1; cat /etc/own.txt; touch /etc/own.txt 2>&1; true",
                "Read-only",
            ),
            ("volumes[].bind.create_host_path", "ls -d /made && touch /made/x && echo fine", "fine"),
            ("volumes[].tmpfs.size", "grep ' /fast ' /proc/mounts", "size=1024k"),
            ("volumes[].tmpfs.mode", "stat -c %a /fast", "700"),
            ("volumes_from", "touch /lent/x && grep ' /lent ' /proc/mounts", "/lent"),
            ("secrets[].source", "cat /run/secrets/token", "s3cret"),
            ("secrets[].target", "cat /run/secrets/other", "s3cret"),
            ("secrets[].mode", "stat -c %a /run/secrets/other", "400"),
            ("secrets[].uid", "stat -c '%u:%g %a' /run/secrets/owned; cat /run/secrets/owned", "1234:2345 640\ns3cret"),
            ("secrets[].gid", "stat -c %g /run/secrets/owned", "2345"),
            ("configs[].uid", "stat -c '%u:%g %a' /own/conf; cat /own/conf", "33:44 444\nwritten"),
            ("configs[].gid", "stat -c %g /own/conf", "44"),
            ("configs[].source", "cat /app", "written"),
            ("configs[].target", "cat /etc/app/conf", "written"),
            ("configs[].mode", "stat -c %a /etc/app/conf", "440"),
        ],
    },
    Case {
        name: "networks",
        service: "
container_name: fixed-name
networks:
  front: {aliases: [door], priority: 10, ipv4_address: 10.98.7.9}
  back: {aliases: [yard]}
links: ['peer:helper']",
        rest: "
  peer:
    image: effects-test-image:1
    x-dokku: {as: container}
    networks: [front, back]
networks:
  front: {ipam: {config: [{subnet: 10.98.7.0/24}]}}
  back: {}",
        forms: BOTH,
        checks: &[
            ("networks.*.aliases", "nslookup yard; nslookup door", "10.98.7.9"),
            ("networks.*.ipv4_address", "ip -4 addr", "10.98.7.9/24"),
            ("networks.*.priority", "inspect {{.HostConfig.NetworkMode}}", "effects-test_front"),
            ("container_name", "nslookup fixed-name", "Name:\tfixed-name"),
            ("links", "nslookup helper", "Address"),
        ],
    },
    Case {
        name: "health",
        service: "
healthcheck:
  test: |
    if [ -e /tmp/sick ]
    then exit 1; fi
    echo fit
  interval: 1s
  timeout: 2s
  retries: 1
  start_period: 1s",
        rest: "",
        forms: BOTH,
        checks: &[
            ("healthcheck.test", "inspect {{json .Config.Healthcheck.Test}}", "CMD-SHELL"),
            ("healthcheck.interval", "inspect {{.Config.Healthcheck.Interval}}", "1s"),
            ("healthcheck.timeout", "inspect {{.Config.Healthcheck.Timeout}}", "2s"),
            ("healthcheck.retries", "sleep 3; touch /tmp/sick; sleep 3", ""),
            (
                "healthcheck.start_period",
                "inspect {{.State.Health.Status}} {{.Config.Healthcheck.StartPeriod}}",
                "unhealthy 1s",
            ),
        ],
    },
    Case {
        name: "unchecked",
        service: "healthcheck: {disable: true}",
        rest: "",
        forms: BOTH,
        checks: &[("healthcheck.disable", "inspect {{json .Config.Healthcheck.Test}}", "NONE")],
    },
    Case {
        name: "host",
        service: "
network_mode: host
userns_mode: host",
        rest: "",
        forms: BOTH,
        checks: &[
            ("network_mode", "inspect {{.HostConfig.NetworkMode}}", "host"),
            ("userns_mode", "inspect {{.HostConfig.UsernsMode}}", "host"),
        ],
    },
    Case {
        name: "ports",
        service: "
ports: ['127.0.0.1:19780:8080', '127.0.0.1:19781:53/udp']",
        rest: "",
        forms: BOTH,
        checks: &[
            (
                "ports[].host_ip",
                "inspect {{json .NetworkSettings.Ports}}",
                "\"HostIp\":\"127.0.0.1\",\"HostPort\":\"19780\"",
            ),
            ("ports[].published", "inspect {{json .NetworkSettings.Ports}}", "19780"),
            ("ports[].target", "inspect {{json .NetworkSettings.Ports}}", "8080/tcp"),
            ("ports[].protocol", "inspect {{json .NetworkSettings.Ports}}", "53/udp"),
        ],
    },
    Case {
        name: "names",
        service: "
networks:
  front: {use_service_name_alias: false, aliases: [other]}",
        rest: "networks: {front: {}}",
        forms: APP,
        checks: &[("networks.*.use_service_name_alias", "nslookup it; true", "NXDOMAIN")],
    },
    Case {
        name: "shared",
        service: "
network_mode: 'service:peer'
environment: {STANDIN_PORTS: '8081'}",
        rest: "
  peer:
    image: effects-test-image:1
    x-dokku: {as: container}
    hostname: owner",
        forms: RAW,
        checks: &[("network_mode", "hostname", "owner")],
    },
];

/// Keys that are seen elsewhere, and keys that nothing here can show: where or why, and which.
pub const ELSEWHERE: &[(&str, &[&str])] = &[
    (
        "an engine before 25 keeps no annotations, no start interval, no MAC address of a network",
        &["annotations", "healthcheck.start_interval", "mac_address", "networks.*.mac_address"],
    ),
    ("an engine before 26 mounts no part of a volume", &["volumes[].volume.subpath"]),
    (
        "this kernel has no weights, limits of block devices or real-time groups; fixtures/devices-and-limits",
        &[
            "blkio_config.device_read_bps[].path",
            "blkio_config.device_read_bps[].rate",
            "blkio_config.device_read_iops[].path",
            "blkio_config.device_read_iops[].rate",
            "blkio_config.device_write_bps[].path",
            "blkio_config.device_write_bps[].rate",
            "blkio_config.device_write_iops[].path",
            "blkio_config.device_write_iops[].rate",
            "blkio_config.weight",
            "blkio_config.weight_device[].path",
            "blkio_config.weight_device[].weight",
            "cpu_rt_period",
            "cpu_rt_runtime",
        ],
    ),
    (
        "there is no GPU; fixtures/devices-and-limits",
        &[
            "deploy.resources.reservations.devices[].capabilities",
            "deploy.resources.reservations.devices[].count",
            "deploy.resources.reservations.devices[].device_ids",
            "deploy.resources.reservations.devices[].driver",
            "deploy.resources.reservations.devices[].options",
            "gpus[].capabilities",
            "gpus[].count",
            "gpus[].device_ids",
            "gpus[].driver",
            "gpus[].options",
        ],
    ),
    (
        "this machine lets no container be privileged, shares no mount, knows no SELinux, sizes no overlay, has no IPv6",
        &[
            "networks.*.ipv6_address",
            "networks.*.link_local_ips",
            "privileged",
            "storage_opt",
            "volumes[].bind.propagation",
            "volumes[].bind.selinux",
        ],
    ),
    (
        "builds: tests/engine/builds.rs and tests/acceptance see context, arguments, target and labels; fixtures/build the rest",
        &[
            "build.additional_contexts",
            "build.args",
            "build.cache_from",
            "build.cache_to",
            "build.context",
            "build.dockerfile",
            "build.dockerfile_inline",
            "build.entitlements",
            "build.extra_hosts",
            "build.labels",
            "build.network",
            "build.no_cache",
            "build.no_cache_filter",
            "build.platforms",
            "build.privileged",
            "build.pull",
            "build.secrets[].source",
            "build.secrets[].target",
            "build.shm_size",
            "build.ssh",
            "build.tags",
            "build.target",
            "build.ulimits.*.hard",
            "build.ulimits.*.soft",
        ],
    ),
    (
        "decided before there is a container: golden fixtures, and tests/acceptance for waits and replicas",
        &[
            "depends_on.*.condition",
            "depends_on.*.required",
            "deploy.endpoint_mode",
            "deploy.mode",
            "deploy.replicas",
            "deploy.update_config.failure_action",
            "deploy.update_config.monitor",
            "deploy.update_config.order",
            "deploy.update_config.parallelism",
            "env_file[].format",
            "env_file[].required",
            "extends.file",
            "extends.service",
            "image",
            "label_file",
            "ports[].app_protocol",
            "ports[].mode",
            "ports[].name",
            "profiles",
            "pull_policy",
            "scale",
            "x-dokku.app",
            "x-dokku.as",
            "x-dokku.checks",
            "x-dokku.docker-options",
            "x-dokku.domains",
            "x-dokku.http",
            "x-dokku.ports",
            "x-dokku.scheduler",
        ],
    ),
    (
        "tests/engine runs a command in a container, tests/lifecycle says when",
        &[
            "depends_on.*.restart",
            "post_start[].command",
            "post_start[].environment",
            "post_start[].privileged",
            "post_start[].user",
            "post_start[].working_dir",
            "pre_stop[].command",
            "pre_stop[].environment",
            "pre_stop[].privileged",
            "pre_stop[].user",
            "pre_stop[].working_dir",
        ],
    ),
    (
        "golden fixtures only, although an engine could show it",
        &["external_links", "networks.*.driver_opts", "volumes[].volume.labels", "volumes[].volume.nocopy"],
    ),
];
