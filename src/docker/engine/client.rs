//! The connection to the engine: negotiation, limits, errors.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::future::{Either, select};

use super::super::{EngineError, EngineResult};
use super::{ASK, CANCEL_POLL};
use crate::process::{Cancel, child_env};
use crate::site::Site;

/// Where the engine listens, unless `DOCKER_HOST` says otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// The engine that this server's Dokku uses.
pub struct DockerEngine {
    host: String,
    pub(super) docker: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cancel: Option<Cancel>,
    /// Connected and negotiated by the first call that succeeds.
    client: OnceLock<Docker>,
}

impl DockerEngine {
    /// The engine at `DOCKER_HOST` of `env`, else at the usual socket, and the docker command of `site`.
    pub fn new(site: &Site, env: &BTreeMap<String, String>) -> Self {
        let env = child_env(env);
        let host = env.get("DOCKER_HOST").filter(|host| !host.is_empty()).map_or(SOCKET, String::as_str).to_owned();
        Self { host, docker: site.docker.clone(), env, cancel: None, client: OnceLock::new() }
    }

    /// The same, whose waits, pulls and builds end when `cancel` is cancelled. An undo uses the one without.
    pub fn with_cancel(&self, cancel: Option<Cancel>) -> Self {
        let (host, docker, env) = (self.host.clone(), self.docker.clone(), self.env.clone());
        Self { host, docker, env, cancel, client: self.client.clone() }
    }

    /// Runs `ask` with the client, for at most `limit`.
    pub(super) fn run<T, F>(&self, limit: Duration, ask: impl FnOnce(Docker) -> F) -> EngineResult<T>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.run_until(limit, std::future::pending(), ask)
    }

    /// The same for what only waits, and may be given up at any time: ends when the run is cancelled.
    pub(super) fn run_cancellable<T, F>(&self, limit: Duration, ask: impl FnOnce(Docker) -> F) -> EngineResult<T>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let stopped = async {
            while !self.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
                tokio::time::sleep(CANCEL_POLL).await;
            }
        };
        self.run_until(limit, stopped, ask)
    }

    fn run_until<T, F>(
        &self,
        limit: Duration,
        stopped: impl Future<Output = ()>,
        ask: impl FnOnce(Docker) -> F,
    ) -> EngineResult<T>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| EngineError::Unreachable(error.to_string()))?;
        runtime.block_on(async {
            let asked = async {
                let client = match self.client.get() {
                    Some(client) => client.clone(),
                    None => {
                        let client = self.connect()?.negotiate_version().await?;
                        self.client.get_or_init(|| client).clone()
                    }
                };
                ask(client).await
            };
            match tokio::time::timeout(limit, select(Box::pin(asked), Box::pin(stopped))).await {
                Err(_) => Err(EngineError::TimedOut(limit)),
                Ok(Either::Right(_)) => Err(EngineError::Cancelled),
                Ok(Either::Left((answer, _))) => answer.map_err(engine_error),
            }
        })
    }

    fn connect(&self) -> Result<Docker, Error> {
        if self.host.contains("://") && !self.host.starts_with("unix://") {
            return Err(Error::UnsupportedURISchemeError { uri: self.host.clone() });
        }
        // The library's own limit also cuts off long stops; `run` has the limits that count.
        Docker::connect_with_unix(&self.host, 24 * 3600, API_DEFAULT_VERSION)
    }
}

fn engine_error(error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            EngineError::Refused { status: status_code, message }
        }
        Error::DockerStreamError { error } => EngineError::Refused { status: 0, message: error },
        Error::RequestTimeoutError => EngineError::TimedOut(ASK),
        Error::JsonDataError { message, .. } => {
            EngineError::Refused { status: 0, message: format!("the engine's answer is unreadable: {message}") }
        }
        Error::JsonSerdeError { err } => {
            EngineError::Refused { status: 0, message: format!("the engine's answer is unreadable: {err}") }
        }
        Error::UnsupportedURISchemeError { uri } => {
            EngineError::Unreachable(format!("DOCKER_HOST is {uri}, and only a local socket (unix://) can be used"))
        }
        other => EngineError::Unreachable(chain(&other)),
    }
}

/// An error with its causes: the outer one is often only `client error (Connect)`.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
