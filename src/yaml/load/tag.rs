//! What tags make of values: YAML's own decide a type, an application's are kept.

use granit_parser::Tag;

use crate::yaml::scalar::{Value, resolve};
use crate::yaml::{Scalar, Style, Text};

const CORE: &str = "tag:yaml.org,2002:";

/// The tag as text where it is an application's own, such as `!reset`; none for `!` alone and
/// YAML's own tags.
pub(super) fn local(tag: &Tag) -> Option<Box<Text>> {
    let full = format!("{}{}", tag.handle(), tag.suffix());
    (core(tag).is_none() && full != "!").then(|| Box::new(full.into()))
}

/// The style that gives a scalar the type its tag asks for, and its local tag. A scalar with a
/// local tag is a string. The error is the core tag that the text does not fit.
pub(super) fn apply(tag: &Tag, style: Style, text: &str) -> Result<(Style, Option<Box<Text>>), String> {
    let Some(core) = core(tag) else {
        let local = local(tag);
        let string = local.is_some() && style == Style::Plain;
        return Ok((if string { Style::Quoted } else { style }, local));
    };
    let fits = match (core, resolve(text)) {
        ("str", _) => return Ok((Style::Quoted, None)),
        ("null", Value::Null)
        | ("bool", Value::Bool(_))
        // An integer tagged as a float prints as it would without.
        | ("int" | "float", Value::Int(_))
        | ("float", Value::Float(_))
        | ("timestamp", Value::Timestamp(_)) => true,
        ("merge", _) => text == "<<",
        _ => false,
    };
    if fits { Ok((Style::Plain, None)) } else { Err(core.to_owned()) }
}

/// Whether a key is the merge key.
pub(super) fn is_merge_key(key: &Scalar) -> bool {
    key.text == "<<" && key.style == Style::Plain
}

/// `str` of `!!str`, in each of the ways to write it.
fn core(tag: &Tag) -> Option<&str> {
    match tag.handle() {
        CORE => Some(tag.suffix()),
        "" => tag.suffix().strip_prefix(CORE),
        _ => None,
    }
}
