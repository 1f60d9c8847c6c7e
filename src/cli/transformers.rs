//! Transformers: the administrator's own changes of what a project asks of the server.
//!
//! Each executable of the directory `transformers` in the plugin's data gets the desired resources on standard input and
//! answers with what they shall be (`docs/transformers.md`).

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::programs;
use super::session::Session;
use crate::diag::{Diagnostic, Diagnostics};
use crate::map::policy::Policy;
use crate::map::resources::Desired;
use crate::map::transform;
use crate::model::Project;
use crate::plan::{Transformed, changes};
use crate::secret::DigestKey;

/// The version of the form of questions and answers.
const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    version: u32,
    desired: Value,
}

/// Lets all of them change `desired`, one after the other. Gives each change with its author.
///
/// One that fails, or gives what the administrator does not allow files either, is an error: nobody knows what the
/// resources should be.
pub(super) fn run(
    session: &Session,
    project: &Project,
    policy: &Policy,
    key: &DigestKey,
    desired: &mut Desired,
    found: &mut Diagnostics,
) -> Result<Vec<Transformed>> {
    let mut out = Vec::new();
    for program in programs::of(&session.site.transformers())? {
        let failed = |why: &str| {
            Diagnostic::error("transformer-failed", format!("the transformer `{}` failed: {why}", program.name))
        };
        let question = json!({ "version": VERSION, "desired": transform::to_json(desired) });
        let answer = program.ask(session, question.to_string().into_bytes()).and_then(|text| read(&text));
        let after = answer.and_then(|answer| match answer {
            Some(value) => transform::from_json(desired, value, key).map(Some),
            None => Ok(None),
        });
        let after = match after {
            Ok(Some(after)) => after,
            Ok(None) => continue,
            Err(why) => {
                found.push(failed(&why));
                break;
            }
        };
        let denied = transform::forbidden(policy, &session.site, desired, &after);
        for (service, rule) in &denied {
            let message = format!(
                "the transformer `{}` gives {service} what is not allowed: {rule} would give the container the server",
                program.name
            );
            let mut finding = Diagnostic::error("privilege", message).hint("take it out of the transformer");
            if let Some(span) = project.key_span(&format!("services.{service}")) {
                finding = finding.at(span);
            }
            found.push(finding);
        }
        if !denied.is_empty() {
            break;
        }
        out.extend(changes::between(desired, &after).into_iter().map(|change| Transformed {
            by: program.name.clone(),
            service: change.service,
            field: change.field,
            before: change.before,
            after: change.after,
        }));
        *desired = after;
    }
    Ok(out)
}

/// The resources of an answer; `None`: it changes nothing.
fn read(text: &str) -> Result<Option<Value>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let answer: Answer = serde_json::from_str(text).map_err(|error| format!("its answer cannot be read: {error}"))?;
    if answer.version != VERSION {
        return Err(format!("its answer has version {}, only {VERSION} is known", answer.version));
    }
    Ok(Some(answer.desired))
}
