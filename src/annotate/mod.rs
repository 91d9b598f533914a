//! Writing annotations: the original bytes are kept, the annotation is spliced in.
//!
//! Guarantees:
//! - taking out what was inserted gives the payload back, less earlier annotations of ours;
//! - the output is well-formed JSON if the payload is;
//! - for indicators with an assessment no memory is allocated once `out` has grown to its size.

mod enrichment;
mod fragment;
mod json;
mod sight;
mod splice;
mod state;
mod text;

pub use fragment::Fragment;
pub use state::{Shape, State, Summary};
pub use text::ScoreText;

use crate::{extract::Extraction, model::Indicator};

/// Writes `payload` (a JSON object, see its outline) with the annotation spliced in to `out`, which is cleared first.
/// `states` is parallel to the extraction's indicators. Nothing else of the payload changes.
pub fn splice(
    payload: &[u8],
    extraction: &Extraction,
    states: &[State<'_>],
    summary: &Summary,
    shape: Shape,
    now_ms: i64,
    out: &mut Vec<u8>,
) {
    let annotation = splice::Annotation { sights: || extraction.iter(), states, summary, now_ms };
    annotation.splice(payload, extraction.outline(), shape, out);
}

/// Appends the annotation object by itself, `{"schema":1,…}`, to `out`: for headers and late records.
pub fn object(extraction: &Extraction, states: &[State<'_>], summary: &Summary, now_ms: i64, out: &mut Vec<u8>) {
    let annotation = splice::Annotation { sights: || extraction.iter(), states, summary, now_ms };
    annotation.object(false, out);
}

/// Appends what an annotation says of an indicator, without an event around it: `{"ioc_type":…}`, without fields and role.
pub fn by_itself(indicator: &Indicator, fragment: &Fragment, now_ms: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"ioc_type\":");
    json::string(out, indicator.kind.as_str());
    json::text_member(out, "ioc_value", &indicator.value);
    fragment.write(out, now_ms);
    out.push(b'}');
}

#[cfg(test)]
mod tests;
