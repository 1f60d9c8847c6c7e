//! Pull and build, through the docker command: it knows registry logins and BuildKit.

use std::io::Write;
use std::time::Duration;

use super::super::{EngineError, EngineResult, ImageBuildSpec};
use super::DockerEngine;
use crate::process::{Command, Ended, Exit, Output, RunError, strip_ansi};

/// How much of what a failed command printed goes into its error.
const TAIL_LINES: usize = 20;

/// Names that the docker command reads in its own environment: a build argument of such a name is
/// given in the command line, because it would redirect the command itself.
const DOCKERS_OWN: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_API_VERSION",
    "DOCKER_BUILDKIT",
    "DOCKER_DEFAULT_PLATFORM",
    "BUILDX_BUILDER",
    "BUILDX_CONFIG",
    "BUILDKIT_HOST",
    "BUILDKIT_PROGRESS",
];

pub(super) fn pull(
    engine: &DockerEngine,
    reference: &str,
    platform: Option<&str>,
    limit: Duration,
) -> EngineResult<()> {
    if reference.is_empty() || reference.starts_with('-') {
        return Err(EngineError::Refused { status: 0, message: format!("{reference:?} is not an image reference") });
    }
    let mut args = vec!["image".to_owned(), "pull".to_owned(), "--quiet".to_owned()];
    args.extend(platform.map(|platform| format!("--platform={platform}")));
    args.push(reference.to_owned());
    let what = format!("docker image pull {reference}");
    finish(&what, limit, docker(engine, limit).args(args).run())
}

pub(super) fn build(engine: &DockerEngine, spec: &ImageBuildSpec, limit: Duration) -> EngineResult<()> {
    let mut args = vec!["image".to_owned(), "build".to_owned(), format!("--tag={}", spec.tag)];
    let buildkit = has_buildkit(engine);
    if let Some(option) = spec.needs_buildkit().filter(|_| !buildkit) {
        let message = format!("{option} needs BuildKit: install the package docker-buildx-plugin on the server");
        return Err(EngineError::Refused { status: 0, message });
    }
    let mut command = docker(engine, limit).env("DOCKER_BUILDKIT", if buildkit { "1" } else { "0" });
    // Kept until the build has ended.
    let inline = match &spec.dockerfile_inline {
        Some(text) => Some(inline_file(text).map_err(|error| EngineError::Refused {
            status: 0,
            message: format!("cannot write the Dockerfile: {error}"),
        })?),
        None => None,
    };
    if let Some(file) = &inline {
        args.push(format!("--file={}", file.path().display()));
    } else if !spec.dockerfile.as_os_str().is_empty() {
        // Docker takes a relative path from its own directory, not from the context.
        args.push(format!("--file={}", spec.context.join(&spec.dockerfile).display()));
    }
    args.extend(spec.labels.iter().map(|(name, value)| format!("--label={name}={value}")));
    args.extend(spec.options.iter().cloned());
    args.extend(spec.contexts.iter().map(|(name, context)| format!("--build-context={name}={context}")));
    for (name, value) in &spec.args {
        let value = value.expose().ok_or_else(|| EngineError::Refused {
            status: 0,
            message: format!("the value of build argument {name} is not at hand"),
        })?;
        if DOCKERS_OWN.contains(&name.as_str()) {
            args.push(format!("--build-arg={name}={value}"));
        } else {
            args.push(format!("--build-arg={name}"));
            command = command.env(name.clone(), value);
        }
    }
    args.push(spec.context.display().to_string());
    match finish(&format!("docker image build {}", spec.tag), limit, command.args(args).run()) {
        // What the BuildKit of engines before 23 says, and nobody else would know.
        Err(EngineError::Refused { status, message }) if message.contains("moby.buildkit.frontend.contexts") => {
            let message = format!(
                "{message}\nadditional_contexts need Docker 23 or newer on the server, or the line `# syntax=docker/dockerfile:1` at the top of the Dockerfile"
            );
            Err(EngineError::Refused { status, message })
        }
        ended => ended,
    }
}

pub(super) fn run_once(
    engine: &DockerEngine,
    image: &str,
    volume: Option<&str>,
    script: &str,
    limit: Duration,
) -> EngineResult<(i64, Vec<String>)> {
    if image.is_empty() || image.starts_with('-') {
        return Err(EngineError::Refused { status: 0, message: format!("{image:?} is not an image reference") });
    }
    let mut args: Vec<String> =
        ["container", "run", "--rm", "--pull=never", "--network=none", "--entrypoint=sh"].map(str::to_owned).into();
    args.extend(volume.map(|volume| format!("--volume={volume}:/from:ro")));
    args.extend([image, "-c", script].map(str::to_owned));
    let what = format!("docker container run {image}");
    let ran = docker(engine, limit).args(args).run();
    match ran {
        Ok(Output { ended: Ended::ByItself, exit: Exit::Code(code), stdout, .. }) if code < 125 => {
            Ok((i64::from(code), stdout.lines().map(str::to_owned).collect()))
        }
        other => finish(&what, limit, other).map(|()| (0, Vec::new())),
    }
}

fn docker(engine: &DockerEngine, limit: Duration) -> Command<'_> {
    let command = Command::new(&engine.docker, &engine.env).limit(limit);
    match &engine.cancel {
        Some(cancel) => command.cancel(cancel),
        None => command,
    }
}

fn inline_file(text: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("dockerfile-").tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    Ok(file)
}

/// Whether the command can build with BuildKit: since its version 23 that takes the buildx plugin,
/// before it is built in, and off unless asked for.
fn has_buildkit(engine: &DockerEngine) -> bool {
    let quick = Duration::from_secs(30);
    let answer =
        |args: &[&str]| docker(engine, quick).args(args).run().ok().filter(Output::success).map(|output| output.stdout);
    if answer(&["buildx", "version"]).is_some() {
        return true;
    }
    let version = answer(&["version", "--format", "{{.Client.Version}}"]).unwrap_or_default();
    version
        .split('.')
        .next()
        .and_then(|major| major.trim().parse::<u32>().ok())
        .is_some_and(|major| (18..23).contains(&major))
}

fn finish(what: &str, limit: Duration, ran: Result<Output, RunError>) -> EngineResult<()> {
    let refused = |message: String| Err(EngineError::Refused { status: 0, message });
    match ran {
        Ok(output) => match (output.ended, output.exit) {
            (Ended::ByItself, Exit::Code(0)) => Ok(()),
            (Ended::TimedOut, _) => Err(EngineError::TimedOut(limit)),
            (Ended::Cancelled, _) => Err(EngineError::Cancelled),
            (Ended::ByItself, exit) => refused(format!("{what} failed ({}): {}", exit_text(exit), tail(&output))),
        },
        Err(RunError::Cancelled) => Err(EngineError::Cancelled),
        Err(error) => refused(format!("{what}: {error}")),
    }
}

fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    }
}

/// The last lines of what was printed, standard error last.
fn tail(output: &Output) -> String {
    let text = strip_ansi(&format!("{}\n{}", output.stdout, output.stderr));
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
