//! Another version of a datastore's image, and other options, variables or limits.

use super::datastore::{await_answer, creation, driver, environment, expose, service};
use super::{ActionError, Done, Ran, Step};
use crate::dokku::DokkuError;
use crate::dokku::datastore::Secrets;
use crate::map::datastores::{Driver, ambassador};
use crate::map::resources::StoreSpec;
use crate::state::store;

/// Saves a service's data by its own `:export`, in a file that only its owner reads. The last one of each service is kept.
pub(super) fn dump(step: &Step<'_>, spec: &StoreSpec) -> Ran {
    // What has no users keeps nothing either: memcached.
    if driver(spec)? == Driver::Open {
        return Ok(Done::default());
    }
    await_answer(step, spec)?;
    let folder = step.runner.site.project(step.context.project).join("dumps");
    let failed = |error: &dyn std::fmt::Display| ActionError::new(format!("cannot save {}: {error}", spec.service));
    store::create_dir(&folder).map_err(|error| failed(&error))?;
    let file = folder.join(format!("{}.{}.dump", spec.plugin, spec.service));
    let one = service(&spec.plugin, &spec.service);
    let mut size = 0;
    let mut refused: Option<DokkuError> = None;
    let written = store::write_with(&file, |file| {
        let call = one.export(file.try_clone()?).limit(step.context.remaining());
        if let Err(error) = step.dokku.call(call) {
            refused = Some(error);
            return Err(std::io::Error::other("the export failed"));
        }
        size = file.metadata()?.len();
        if size == 0 { Err(std::io::Error::other("the export is empty")) } else { Ok(()) }
    });
    match (refused, written) {
        (Some(error), _) => Err(error.into()),
        (None, Err(error)) => Err(failed(&error)),
        (None, Ok(())) => Ok(Done { detail: format!("{size} bytes in {}", file.display()), ..Done::default() }),
    }
}

/// Makes the service's container anew with what `spec` says, on the data as it lies, behind the port that `spec` says.
pub(super) fn upgrade(step: &Step<'_>, spec: &StoreSpec, from: &StoreSpec) -> Ran {
    let one = service(&spec.plugin, &spec.service);
    // The container that holds the port of the host is linked to the one that goes. Docker does not start it again, and the
    // plugin gives up half-way because of it (`service_port_reconcile_status`).
    if step.engine().container(&ambassador(&spec.plugin, &spec.service))?.is_some() {
        step.call(one.unexpose())?;
    }
    // Of one that runs the same image `:upgrade` would take no notice.
    step.call(one.stop())?;
    let secrets = Secrets { environment: environment(spec)?, ..Secrets::default() };
    let call = one.upgrade(&creation(spec), spec.memory != from.memory, spec.shm_size != from.shm_size);
    step.dokku.creating(&secrets).call(call.limit(step.context.remaining()).private()).map_err(|error| {
        let mut out = ActionError::from(error);
        out.lines = step.engine().container_logs(&spec.container_name(), 20).unwrap_or_default();
        out
    })?;
    if !spec.expose.is_empty() {
        expose(step, &spec.plugin, &spec.service, &spec.expose)?;
    }
    await_answer(step, spec)
}
