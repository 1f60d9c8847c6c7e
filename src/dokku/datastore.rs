//! Services of the datastore plugins. Passwords go by the environment and by standard input, never as arguments.

use std::fs::File;
use std::path::Path;

use super::{Call, Dokku, DokkuError, DokkuResult, SLOW};

/// A service of a plugin.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// `postgres`.
    pub plugin: &'a str,
    /// `shop-db`.
    pub name: &'a str,
}

/// What a service is made with, besides its passwords and variables.
#[derive(Clone, Debug, Default)]
pub struct Creation {
    /// `--image`.
    pub image: String,
    /// `--image-version`.
    pub version: String,
    /// `--memory`, megabytes; 0: no limit.
    pub memory: u64,
    /// `--shm-size`, bytes; 0: the engine's default.
    pub shm_size: u64,
    /// `--config-options`.
    pub options: String,
    /// `--post-create-network`.
    pub networks: String,
}

/// Secrets of a creation. `service_create` of every plugin takes what its flags (`--password`, `--root-password`,
/// `--custom-env`) leave out from variables of these names, into which it puts the flags' own values.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `SERVICE_PASSWORD`.
    pub password: Option<String>,
    /// `SERVICE_ROOT_PASSWORD`.
    pub root_password: Option<String>,
    /// `SERVICE_CUSTOM_ENV`: `A=1;B=2`.
    pub environment: String,
}

impl Service<'_> {
    fn call<'s>(&self, verb: &str, args: impl IntoIterator<Item = &'s str>) -> Call {
        let args = std::iter::once(self.name.to_owned()).chain(args.into_iter().map(str::to_owned));
        Call::new(&format!("{}:{verb}", self.plugin), args)
    }

    /// `:create`.
    pub fn create(&self, with: &Creation) -> Call {
        let (memory, shm) = (with.memory.to_string(), with.shm_size.to_string());
        let flags = [
            ("--image", with.image.as_str()),
            ("--image-version", with.version.as_str()),
            ("--memory", if with.memory == 0 { "" } else { &memory }),
            ("--shm-size", if with.shm_size == 0 { "" } else { &shm }),
            ("--config-options", with.options.as_str()),
            ("--post-create-network", with.networks.as_str()),
        ];
        let given = flags.into_iter().filter(|(_, value)| !value.is_empty());
        self.call("create", given.flat_map(|(flag, value)| [flag, value]))
    }

    /// `:upgrade` to `with`, which is all that the service has afterwards: the plugin forgets options and variables that it
    /// is not told (`service_commit_config`). `memory` and `shm_size` are told where they are to change; 0 takes a limit away.
    pub fn upgrade(&self, with: &Creation, memory: bool, shm_size: bool) -> Call {
        let (megabytes, bytes) = (with.memory.to_string(), with.shm_size.to_string());
        let mut flags = vec!["--image", &with.image, "--image-version", &with.version];
        for (flag, value, given) in [
            ("--memory", megabytes.as_str(), memory),
            ("--shm-size", &bytes, shm_size),
            ("--config-options", &with.options, !with.options.is_empty()),
        ] {
            if given {
                flags.extend([flag, value]);
            }
        }
        self.call("upgrade", flags)
    }

    /// `:export` to a file.
    pub fn export(&self, file: File) -> Call {
        self.call("export", []).into_file(file)
    }

    /// `:enter pg_dump` of a database to a file: its statements, after a line of Dokku's that is a comment to them. What
    /// `:export` of the plugin writes is for `pg_restore` only.
    pub fn export_statements(&self, database: &str, file: File) -> Call {
        let dump = ["pg_dump", "--username=postgres", "--no-owner", "--no-privileges", "--", database];
        self.call("enter", dump).into_file(file).limit(SLOW)
    }

    /// `:destroy --force`, with its data.
    pub fn destroy(&self) -> Call {
        self.call("destroy", ["--force"]).limit(SLOW)
    }

    /// `:link --no-restart`.
    pub fn link(&self, app: &str) -> Call {
        // It prints the address with the password.
        self.call("link", [app, "--no-restart"]).about(app).private()
    }

    /// `:unlink --no-restart`.
    pub fn unlink(&self, app: &str) -> Call {
        self.call("unlink", [app, "--no-restart"]).about(app)
    }

    /// `:expose` of a port of the host.
    pub fn expose(&self, ports: &[String]) -> Call {
        self.call("expose", ports.iter().map(String::as_str))
    }

    /// `:unexpose`.
    pub fn unexpose(&self) -> Call {
        self.call("unexpose", [])
    }

    /// `:set post-create-network`.
    pub fn set_networks(&self, networks: &str) -> Call {
        self.call("set", ["post-create-network"].into_iter().chain(Some(networks).filter(|all| !all.is_empty())))
    }

    /// `:start`.
    pub fn start(&self) -> Call {
        self.call("start", []).private()
    }

    /// `:stop`.
    pub fn stop(&self) -> Call {
        self.call("stop", [])
    }

    /// `:connect`: the service's own client, with `text` to do.
    pub fn connect(&self, text: &str, secrets: Vec<String>) -> Call {
        self.call("connect", []).stdin(text.as_bytes(), "statements").mask(secrets)
    }

    /// `:enter COMMAND`, with `head` and then a file to read.
    pub fn feed(&self, command: &[&str], head: &str, mut file: File) -> Call {
        let head = head.to_owned();
        let write = move |out: &mut dyn std::io::Write| {
            out.write_all(head.as_bytes())?;
            std::io::copy(&mut file, out).map(drop)
        };
        self.call("enter", command.iter().copied()).stdin_from(Box::new(write), "a dump")
    }

    /// `:enter COMMAND`, with `text` to read. The plugin gives its `docker exec` a standard input only where
    /// `DOKKU_RUN_OPTS` says so, see [`Dokku::reading`].
    pub fn enter(&self, command: &[&str], text: &str, secrets: Vec<String>) -> Call {
        self.call("enter", command.iter().copied()).stdin(text.as_bytes(), "statements").mask(secrets)
    }
}

impl Dokku {
    /// The same, which hands `secrets` to a `:create`.
    pub fn creating(&self, secrets: &Secrets) -> Self {
        let mut out = self.clone();
        for (name, value) in
            [("SERVICE_PASSWORD", &secrets.password), ("SERVICE_ROOT_PASSWORD", &secrets.root_password)]
        {
            if let Some(value) = value {
                out = out.with_variable(name, value);
            }
        }
        if !secrets.environment.is_empty() {
            out = out.with_variable("SERVICE_CUSTOM_ENV", &secrets.environment);
        }
        out
    }

    /// The same, whose `:enter` reads standard input (`service_enter`).
    pub fn reading(&self) -> Self {
        self.with_variable("DOKKU_RUN_OPTS", "-i")
    }

    /// Names of a plugin's services.
    pub fn services(&self, plugin: &str) -> DokkuResult<Vec<String>> {
        let reply = self.call(Call::new(&format!("{plugin}:list"), [] as [&str; 0]).quiet())?;
        Ok(reply.stdout.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Whether a service is there.
    pub fn service_exists(&self, service: &Service<'_>) -> DokkuResult<bool> {
        match self.call(service.call("exists", [])) {
            Ok(_) => Ok(true),
            Err(DokkuError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Apps that a service is linked to.
    pub fn service_links(&self, service: &Service<'_>) -> DokkuResult<Vec<String>> {
        let reply = self.call(service.call("links", []).quiet())?;
        Ok(reply.stdout.split_whitespace().filter(|app| *app != "-").map(str::to_owned).collect())
    }

    /// The directory in which a plugin keeps a service.
    pub fn service_root(&self, service: &Service<'_>) -> DokkuResult<std::path::PathBuf> {
        Ok(self.call(service.call("info", ["--service-root"]))?.stdout.trim().into())
    }

    /// The address of a service, with its password.
    pub fn service_dsn(&self, service: &Service<'_>) -> DokkuResult<String> {
        Ok(self.call(service.call("info", ["--dsn"]).private())?.stdout.trim().to_owned())
    }

    /// Enabled plugins of these names, with whether their services can join networks. No call: a plugin's directory is
    /// what Dokku itself knows it by.
    pub fn datastore_plugins<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<(String, bool)> {
        let enabled = match self.site.sandbox {
            Some(_) => self.site.lib_root.join("plugins/enabled"),
            None => self
                .env()
                .get("PLUGIN_ENABLED_PATH")
                .map_or_else(|| self.site.lib_root.join("plugins/enabled"), |path| Path::new(path).to_path_buf()),
        };
        names
            .filter(|name| enabled.join(name).is_dir())
            .map(|name| (name.to_owned(), enabled.join(name).join("subcommands/set").exists()))
            .collect()
    }
}
