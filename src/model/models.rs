//! AI models of the project and their use by services.
//!
//! Specification: models.md, and 05-services.md, "models".

use serde::Serialize;

use super::Extensions;
use super::scalars::is_unset;

/// A model of the top-level `models` section.
///
/// Specification: models.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Model {
    /// Its name.
    #[serde(skip_serializing_if = "is_unset")]
    pub name: Option<String>,
    /// OCI artifact.
    #[serde(skip_serializing_if = "is_unset")]
    pub model: Option<String>,
    /// Context size in tokens.
    #[serde(skip_serializing_if = "is_unset")]
    pub context_size: Option<i64>,
    /// Flags of the inference engine.
    #[serde(skip_serializing_if = "is_unset")]
    pub runtime_flags: Vec<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// How a service learns of a model.
///
/// Specification: 05-services.md, "models".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceModel {
    /// Variable that gets the endpoint.
    #[serde(skip_serializing_if = "is_unset")]
    pub endpoint_var: Option<String>,
    /// Variable that gets the model's name.
    #[serde(skip_serializing_if = "is_unset")]
    pub model_var: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
