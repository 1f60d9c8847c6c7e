//! Apps: `apps:*`.

use super::call::SLOW;
use super::{Call, Dokku, DokkuError, DokkuResult, property, proxy};

/// `apps:create APP`: fails where it exists. See [`Dokku::create_parked`] for the quick way.
pub fn create(app: &str) -> Call {
    Call::new("apps:create", [app]).about(app).limit(SLOW)
}

/// `apps:destroy --force APP`: containers, images, configuration; links of datastores are undone,
/// storage entries and volumes stay.
pub fn destroy(app: &str) -> Call {
    Call::new("apps:destroy", ["--force", app]).about(app).limit(SLOW)
}

/// `apps:lock APP`: makes the file whose existence says that a deploy runs.
pub fn lock(app: &str) -> Call {
    Call::new("apps:lock", [app]).about(app)
}

/// `apps:unlock APP`: fails where there is no lock.
pub fn unlock(app: &str) -> Call {
    Call::new("apps:unlock", [app]).about(app)
}

impl Dokku {
    /// The names of all apps, in the order of Dokku's reports (`apps:list --format json`).
    pub fn apps(&self) -> DokkuResult<Vec<String>> {
        self.call(Call::new("apps:list", ["--format", "json"]))?.json()
    }

    /// Whether there is such an app (`apps:exists APP`).
    pub fn app_exists(&self, app: &str) -> DokkuResult<bool> {
        match self.call(Call::new("apps:exists", [app]).about(app)) {
            Ok(_) => Ok(true),
            Err(DokkuError::UnknownApp { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes an app whose proxy is parked from the beginning, so that no proxy configuration is
    /// built for it until [`proxy::unpark`]: 0.4 s instead of 3.5 s, and its ports and domains are
    /// set in 0.2 s instead of 3.4 s.
    ///
    /// An app that exists is [`DokkuError::AppExists`] and stays as it is. When the creation fails,
    /// the property is taken back.
    pub fn create_parked(&self, app: &str) -> DokkuResult<()> {
        if self.app_exists(app)? {
            return Err(DokkuError::AppExists { app: app.to_owned() });
        }
        self.call(property::write("proxy", app, "type", proxy::PARKED))?;
        let Err(error) = self.call(create(app)) else {
            return Ok(());
        };
        if matches!(self.app_exists(app), Ok(false)) {
            // The first error is the one to tell.
            let _ = self.call(property::delete("proxy", app, "type"));
        }
        Err(error)
    }

    /// Takes away what [`Dokku::create_parked`] leaves of an app that never came to be, or is gone.
    pub fn forget_parked(&self, app: &str) -> DokkuResult<()> {
        self.call(property::delete("proxy", app, "type")).map(drop)
    }
}
