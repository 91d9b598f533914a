//! AlienVault OTX as a client meets it: `indicators/<kind>/<value>/general`, with or without a key. What it does not know is an answer without pulses.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    model::IndicatorKind,
    provider::OTX,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
    },
};

pub(crate) const FACE: Face = Face {
    id: OTX,
    roots: &["/api/v1/indicators/"],
    key: KeyPlace::OptionalHeader("x-otx-api-key"),
    read: |call| read(call, "/general"),
    refuse,
    throttle,
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

pub(crate) fn refuse(_missing: bool) -> Answer {
    detail(403, "Authentication required")
}

pub(crate) fn throttle(_: &crate::simulator::quota::Standing, _now_s: i64) -> Answer {
    detail(429, "Request was throttled.")
}

fn detail(status: u16, text: &str) -> Answer {
    Answer::new(status, json!({ "detail": text }))
}

/// What a call for a section asks about.
pub(crate) fn read(call: &Call, section: &str) -> Result<Vec<Asked>, Answer> {
    const SECTIONS: [(&str, &[IndicatorKind]); 7] = [
        ("IPv4", &[IndicatorKind::Ipv4]),
        ("IPv6", &[IndicatorKind::Ipv6]),
        ("domain", &[IndicatorKind::Domain]),
        ("hostname", &[IndicatorKind::Domain]),
        ("url", &[IndicatorKind::Url]),
        ("file", &[IndicatorKind::Md5, IndicatorKind::Sha1, IndicatorKind::Sha256]),
        ("cve", &[IndicatorKind::Cve]),
    ];
    if call.method != Method::GET {
        return Err(detail(405, "Method not allowed"));
    }
    let asked = SECTIONS.into_iter().find_map(|(name, kinds)| {
        let value = call.segment_before(&format!("/api/v1/indicators/{name}/"), section)?;
        Some(Asked::guess(&value)).filter(|asked| kinds.contains(&asked.kind))
    });
    Ok(vec![asked.ok_or_else(|| detail(400, "malformed indicator"))?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let day = truth.dice.range(113, 1, 28);
    let pulse = |number: u32| {
        json!({
            "id": format!("{:024x}", truth.dice.number(114 + u64::from(number))),
            "name": format!("Sample campaign {number}"),
            "created": format!("2026-09-{day:02}T01:56:54.935000"),
            "modified": format!("2026-10-{day:02}T03:51:15.250000"),
            "TLP": "green",
            "malware_families": [],
        })
    };
    let count = match truth.class {
        Class::Malicious => truth.dice.range(115, 2, 4),
        Class::Suspicious => 1,
        Class::Clean | Class::Unknown => 0,
    };
    let pulses: Vec<Value> = (1..=count).map(pulse).collect();
    let none = json!({ "adversary": [], "malware_families": [], "industries": [] });
    let body = json!({
        "indicator": asked.value,
        "type": asked.kind.as_str(),
        "base_indicator": {},
        "pulse_info": {
            "count": count,
            "pulses": pulses,
            "references": [],
            "related": { "alienvault": none, "other": { "adversary": [], "malware_families": ["SampleBot"], "industries": [] } },
        },
        "false_positive": [],
        "validation": [],
        "sections": ["general", "passive_dns"],
    });
    Answer::new(200, body)
}
