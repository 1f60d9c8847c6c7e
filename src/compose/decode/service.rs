//! The keys of a service.
//!
//! Specification: 05-services.md.

use crate::compose::tree::{printed, text};
use crate::diag::Diagnostic;
use crate::model::{BindOptions, ImageOptions, MountType, TmpfsOptions, VolumeOptions};
use crate::model::{
    BlkioConfig, Condition, CredentialSpec, Dependency, Develop, Device, DeviceRequest, EnvFile, FileMode,
    FileReference, Healthcheck, Hook, Logging, Port, PreStartHook, Provider, Service, ServiceModel, ServiceNetwork,
    ServiceVolume, ThrottleDevice, Ulimit, Watch, WatchAction, WeightDevice,
};
use crate::yaml::{Kind, Node, Value};

use super::fields::Fields;
use super::{build, deploy, present};

/// A service; its name is set by the caller.
pub(super) fn service(fields: &mut Fields<'_, '_>) -> Service {
    let mut service = container(fields);
    service.profiles = fields.texts("profiles");
    service.deploy = fields.boxed("deploy", deploy::deploy);
    service.develop = fields
        .boxed("develop", |fields| Develop { watch: fields.objects("watch", watch), extensions: fields.extensions() });
    service.restart = fields.text("restart");
    service.scale = fields.integer("scale");
    service.attach = fields.choice("attach");
    service.container_name = fields.text("container_name");
    service.provider = fields.boxed("provider", provider);
    service.external_links = fields.texts("external_links");
    service.links = fields.texts("links");
    service.pre_start = fields.objects("pre_start", |fields| PreStartHook {
        per_replica: fields.flag("per_replica"),
        extensions: fields.extensions(),
        container: container(fields),
    });
    service.post_start = fields.objects("post_start", hook);
    service.pre_stop = fields.objects("pre_stop", hook);
    service.build = fields.boxed("build", build::build);
    service.depends_on = fields.each("depends_on", |fields, _| dependency(fields));
    service.expose = fields.texts("expose");
    service.healthcheck = fields.boxed("healthcheck", healthcheck);
    service.ports = fields.objects("ports", port);
    service.stdin_open = fields.flag("stdin_open");
    service.tty = fields.flag("tty");
    service.extensions = fields.extensions();
    service
}

/// What a service and a container of a hook have in common.
fn container(fields: &mut Fields<'_, '_>) -> Service {
    Service {
        annotations: fields.mapping("annotations"),
        blkio_config: fields.boxed("blkio_config", blkio),
        cap_add: fields.texts("cap_add"),
        cap_drop: fields.texts("cap_drop"),
        cgroup_parent: fields.text("cgroup_parent"),
        cgroup: fields.text("cgroup"),
        cpu_count: fields.amount("cpu_count"),
        cpu_percent: fields.float("cpu_percent"),
        cpu_period: fields.amount("cpu_period"),
        cpu_quota: fields.amount("cpu_quota"),
        cpu_rt_period: fields.amount("cpu_rt_period"),
        cpu_rt_runtime: fields.amount("cpu_rt_runtime"),
        cpus: fields.float("cpus"),
        cpuset: fields.text("cpuset"),
        cpu_shares: fields.amount("cpu_shares"),
        command: fields.command("command"),
        configs: fields.objects("configs", file_reference),
        credential_spec: fields.boxed("credential_spec", |fields| CredentialSpec {
            config: fields.text("config"),
            file: fields.text("file"),
            registry: fields.text("registry"),
            extensions: fields.extensions(),
        }),
        device_cgroup_rules: fields.texts("device_cgroup_rules"),
        devices: fields.objects("devices", |fields| Device {
            source: fields.text("source"),
            target: fields.text("target"),
            permissions: fields.text("permissions"),
            extensions: fields.extensions(),
        }),
        dns: fields.texts("dns"),
        dns_opt: fields.texts("dns_opt"),
        dns_search: fields.texts("dns_search"),
        domainname: fields.text("domainname"),
        entrypoint: fields.command("entrypoint"),
        environment: fields.variables("environment"),
        env_file: fields.objects("env_file", |fields| EnvFile {
            path: fields.text("path"),
            required: fields.choice("required").unwrap_or(true),
            format: fields.text("format"),
        }),
        extra_hosts: fields.hosts("extra_hosts"),
        group_add: fields.texts("group_add"),
        gpus: fields.objects("gpus", device_request),
        hostname: fields.text("hostname"),
        image: fields.text("image"),
        init: fields.choice("init"),
        ipc: fields.text("ipc"),
        isolation: fields.text("isolation"),
        labels: fields.mapping("labels"),
        label_file: fields.texts("label_file"),
        logging: fields.boxed("logging", |fields| Logging {
            driver: fields.text("driver"),
            options: fields.mapping("options"),
            extensions: fields.extensions(),
        }),
        mem_limit: fields.bytes("mem_limit"),
        mem_reservation: fields.bytes("mem_reservation"),
        memswap_limit: fields.bytes("memswap_limit"),
        mem_swappiness: fields.bytes("mem_swappiness"),
        mac_address: fields.text("mac_address"),
        models: fields.named("models", |fields, _| ServiceModel {
            endpoint_var: fields.text("endpoint_var"),
            model_var: fields.text("model_var"),
            extensions: fields.extensions(),
        }),
        network_mode: fields.text("network_mode"),
        networks: fields.named("networks", |fields, _| network(fields)),
        oom_kill_disable: fields.flag("oom_kill_disable"),
        oom_score_adj: fields.amount("oom_score_adj"),
        pid: fields.text("pid"),
        pids_limit: fields.amount("pids_limit"),
        platform: fields.text("platform"),
        privileged: fields.flag("privileged"),
        pull_policy: fields.text("pull_policy"),
        pull_refresh_after: fields.text("pull_refresh_after"),
        read_only: fields.flag("read_only"),
        runtime: fields.text("runtime"),
        secrets: fields.objects("secrets", file_reference),
        security_opt: fields.texts("security_opt"),
        shm_size: fields.bytes("shm_size"),
        stop_grace_period: fields.duration("stop_grace_period"),
        stop_signal: fields.text("stop_signal"),
        storage_opt: fields.mapping("storage_opt"),
        sysctls: fields.mapping("sysctls"),
        tmpfs: fields.texts("tmpfs"),
        ulimits: present(fields.named("ulimits", ulimit)),
        umask: fields.narrow("umask", "a file mode"),
        use_api_socket: fields.flag("use_api_socket"),
        user: fields.text("user"),
        userns_mode: fields.text("userns_mode"),
        uts: fields.text("uts"),
        volumes: fields.objects("volumes", volume),
        volumes_from: fields.texts("volumes_from"),
        working_dir: fields.text("working_dir"),
        ..Service::default()
    }
}

fn watch(fields: &mut Fields<'_, '_>) -> Watch {
    let action = match fields.text("action").as_deref() {
        Some("rebuild") => WatchAction::Rebuild,
        Some("restart") => WatchAction::Restart,
        Some("sync+restart") => WatchAction::SyncRestart,
        Some("sync+exec") => WatchAction::SyncExec,
        _ => WatchAction::Sync,
    };
    Watch {
        path: fields.text("path").unwrap_or_default(),
        action,
        target: fields.text("target"),
        exec: fields.object("exec", hook).unwrap_or_default(),
        include: fields.texts("include"),
        ignore: fields.texts("ignore"),
        initial_sync: fields.flag("initial_sync"),
        extensions: fields.extensions(),
    }
}

fn provider(fields: &mut Fields<'_, '_>) -> Provider {
    let mut options = fields.each("options", |_, node| match &node.kind {
        Kind::Seq(items) => items.iter().map(|item| printed(item).unwrap_or_default()).collect(),
        _ => vec![printed(node).unwrap_or_default()],
    });
    // An option is given once for each of its values.
    options.retain(|_, values| !values.is_empty());
    Provider { kind: fields.text("type"), options, extensions: fields.extensions() }
}

fn hook(fields: &mut Fields<'_, '_>) -> Hook {
    Hook {
        command: fields.command("command"),
        user: fields.text("user"),
        privileged: fields.flag("privileged"),
        working_dir: fields.text("working_dir"),
        environment: fields.variables("environment"),
        extensions: fields.extensions(),
    }
}

fn dependency(fields: &mut Fields<'_, '_>) -> Dependency {
    let condition = match fields.text("condition").as_deref() {
        Some("service_healthy") => Condition::Healthy,
        Some("service_completed_successfully") => Condition::CompletedSuccessfully,
        _ => Condition::Started,
    };
    Dependency {
        condition,
        restart: fields.flag("restart"),
        required: fields.flag("required"),
        extensions: fields.extensions(),
    }
}

fn healthcheck(fields: &mut Fields<'_, '_>) -> Healthcheck {
    let test = match fields.value("test").and_then(text) {
        Some(command) => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        None => fields.texts("test"),
    };
    Healthcheck {
        test,
        timeout: fields.duration("timeout"),
        interval: fields.duration("interval"),
        retries: fields.narrow("retries", "a number of attempts"),
        start_period: fields.duration("start_period"),
        start_interval: fields.duration("start_interval"),
        disable: fields.flag("disable"),
        extensions: fields.extensions(),
    }
}

fn port(fields: &mut Fields<'_, '_>) -> Port {
    Port {
        name: fields.text("name"),
        mode: fields.text("mode"),
        host_ip: fields.text("host_ip"),
        target: fields.narrow("target", "a port").unwrap_or_default(),
        published: fields.text("published"),
        protocol: fields.text("protocol"),
        app_protocol: fields.text("app_protocol"),
        extensions: fields.extensions(),
    }
}

fn network(fields: &mut Fields<'_, '_>) -> ServiceNetwork {
    ServiceNetwork {
        aliases: fields.texts("aliases"),
        driver_opts: fields.mapping("driver_opts"),
        gw_priority: fields.amount("gw_priority"),
        interface_name: fields.text("interface_name"),
        ipv4_address: fields.text("ipv4_address"),
        ipv6_address: fields.text("ipv6_address"),
        link_local_ips: fields.texts("link_local_ips"),
        mac_address: fields.text("mac_address"),
        priority: fields.amount("priority"),
        use_service_name_alias: fields.choice("use_service_name_alias"),
        extensions: fields.extensions(),
    }
}

fn volume(fields: &mut Fields<'_, '_>) -> ServiceVolume {
    let kind = match fields.text("type").as_deref() {
        Some("bind") => MountType::Bind,
        Some("tmpfs") => MountType::Tmpfs,
        Some("cluster") => MountType::Cluster,
        Some("npipe") => MountType::Npipe,
        Some("image") => MountType::Image,
        _ => MountType::Volume,
    };
    ServiceVolume {
        kind,
        source: fields.text("source"),
        target: fields.text("target"),
        read_only: fields.flag("read_only"),
        consistency: fields.text("consistency"),
        bind: fields.boxed("bind", |fields| BindOptions {
            selinux: fields.text("selinux"),
            propagation: fields.text("propagation"),
            create_host_path: fields.flag("create_host_path"),
            recursive: fields.text("recursive"),
            extensions: fields.extensions(),
        }),
        volume: fields.boxed("volume", |fields| VolumeOptions {
            labels: fields.mapping("labels"),
            nocopy: fields.flag("nocopy"),
            subpath: fields.text("subpath"),
            extensions: fields.extensions(),
        }),
        tmpfs: fields.boxed("tmpfs", |fields| TmpfsOptions {
            size: fields.bytes("size"),
            mode: fields.narrow("mode", "a file mode").filter(|mode| *mode != 0),
            extensions: fields.extensions(),
        }),
        image: fields
            .boxed("image", |fields| ImageOptions { subpath: fields.text("subpath"), extensions: fields.extensions() }),
        extensions: fields.extensions(),
    }
}

/// A secret or config as a service or build uses it.
pub(super) fn file_reference(fields: &mut Fields<'_, '_>) -> FileReference {
    FileReference {
        source: fields.text("source"),
        target: fields.text("target"),
        uid: fields.text("uid"),
        gid: fields.text("gid"),
        mode: file_mode(fields),
        extensions: fields.extensions(),
    }
}

/// A number, or a string of octal digits.
fn file_mode(fields: &mut Fields<'_, '_>) -> Option<FileMode> {
    let node = fields.value("mode")?;
    let mode = match node.as_scalar().map(|scalar| scalar.value()) {
        Some(Value::Int(number)) => u32::try_from(number).ok(),
        Some(Value::Str(text)) => u32::from_str_radix(text, 8).ok(),
        _ => None,
    };
    if mode.is_none() {
        let message = format!("`{}` must be a file mode such as `\"0440\"`", fields.path.key("mode"));
        fields.out.push(Diagnostic::error("wrong-type", message).at(node.span));
    }
    mode.map(FileMode)
}

/// A request for devices such as GPUs.
pub(super) fn device_request(fields: &mut Fields<'_, '_>) -> DeviceRequest {
    let count = match fields.value("count").and_then(text) {
        Some(all) if all.eq_ignore_ascii_case("all") => Some(-1),
        _ => fields.amount("count"),
    };
    DeviceRequest {
        capabilities: fields.texts("capabilities"),
        driver: fields.text("driver"),
        count,
        device_ids: fields.texts("device_ids"),
        options: fields.mapping("options"),
        extensions: fields.extensions(),
    }
}

fn blkio(fields: &mut Fields<'_, '_>) -> BlkioConfig {
    let throttle = |fields: &mut Fields<'_, '_>| ThrottleDevice {
        path: fields.text("path").unwrap_or_default(),
        rate: fields.bytes("rate").unwrap_or_default(),
        extensions: fields.extensions(),
    };
    BlkioConfig {
        weight: fields.narrow("weight", "a weight"),
        weight_device: fields.objects("weight_device", |fields| WeightDevice {
            path: fields.text("path").unwrap_or_default(),
            weight: fields.narrow("weight", "a weight").unwrap_or_default(),
            extensions: fields.extensions(),
        }),
        device_read_bps: fields.objects("device_read_bps", throttle),
        device_read_iops: fields.objects("device_read_iops", throttle),
        device_write_bps: fields.objects("device_write_bps", throttle),
        device_write_iops: fields.objects("device_write_iops", throttle),
        extensions: fields.extensions(),
    }
}

/// One number for both limits, or a mapping of two.
pub(super) fn ulimit(fields: &mut Fields<'_, '_>, node: &Node) -> Ulimit {
    match node.as_scalar().map(|scalar| scalar.value()) {
        Some(Value::Int(number)) => Ulimit { single: i64::try_from(number).unwrap_or(i64::MAX), ..Ulimit::default() },
        None if node.as_map().is_some() => Ulimit {
            single: 0,
            soft: fields.integer("soft").unwrap_or_default(),
            hard: fields.integer("hard").unwrap_or_default(),
            extensions: fields.extensions(),
        },
        _ => {
            let message = format!("`{}` must be a whole number, or `soft` and `hard`", fields.path);
            fields.out.push(Diagnostic::error("wrong-type", message).at(node.span));
            Ulimit::default()
        }
    }
}
