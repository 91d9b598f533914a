//! `[routing]`: which provider is asked about which kind, where that is to differ from the product's own table.

use super::{
    context::{At, Context, Found},
    nearest::nearest,
    parse::{Parsed, Problem, Raw, list, quote, text_as},
    section::Section,
};
use crate::{
    model::{IndicatorKind, ProviderId},
    provider::{self, KNOWN},
};

/// Reads the table and routes the configured providers by it.
pub(super) fn read(context: &mut Context<'_>, providers: &mut [(ProviderId, provider::Config)]) {
    let mut section = Section::open(context, "routing");
    for kind in IndicatorKind::ALL {
        let setting = section.read(kind.as_str(), None, |raw| list(|raw| name(kind, raw))(raw).map(Some));
        let (Some(at), Some(routed)) = (setting.place(), &setting.value) else { continue };
        for id in routed {
            check_table(section.context, at.clone(), kind, *id);
        }
        for (id, config) in &mut *providers {
            config.kinds.retain(|known| *known != kind);
            if routed.contains(id) {
                config.kinds.push(kind);
            }
        }
    }
    section.finish();
}

/// A provider that is asked has to be configured.
fn check_table(context: &mut Context<'_>, at: At, kind: IndicatorKind, id: ProviderId) {
    let table = format!("providers.{id}");
    if matches!(context.table(&table), Found::Nothing) && !context.overrides_under(&table) {
        let message = format!("{} is not configured, so it cannot be asked", quote(id.as_str()));
        context.error(
            at,
            &format!("routing.{kind}"),
            message,
            Some(format!("add `[{table}]` or take it off the list")),
        );
    }
}

/// A provider that can be asked about the kind.
fn name(kind: IndicatorKind, raw: Raw<'_>) -> Parsed<ProviderId> {
    text_as("the name of a provider", "\"virustotal\"", |text| {
        let able = || KNOWN.iter().filter(|spec| spec.kinds.contains(&kind)).map(|spec| spec.id);
        match able().find(|id| id.as_str() == text) {
            Some(id) => Ok(id),
            None => {
                let known = provider::spec(text).is_some();
                let what = if known { format!("cannot be asked about {kind}") } else { "is no provider".to_owned() };
                let names: Vec<_> = able().map(ProviderId::as_str).collect();
                let help = match nearest(text, names.iter().copied()).filter(|_| !known) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("those that can: {}", names.join(", ")),
                };
                Problem::new(format!("{} {what}", quote(text))).help(help).one()
            }
        }
    })(raw)
}
