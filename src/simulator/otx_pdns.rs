//! The passive DNS of AlienVault OTX as a client meets it: `indicators/<kind>/<value>/passive_dns`.

use serde_json::{Value, json};

use crate::{
    provider::OTX_PDNS,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Face, KeyPlace, Tell},
        otx,
    },
};

/// The pulses have the same path up to its end, so it is found by its name only.
pub(crate) const FACE: Face = Face {
    id: OTX_PDNS,
    roots: &[],
    key: KeyPlace::OptionalHeader("x-otx-api-key"),
    read: |call| otx::read(call, "/passive_dns"),
    refuse: otx::refuse,
    throttle: otx::throttle,
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let seen = records(asked, truth).into_iter().map(|(name, kind, data, day)| {
        json!({
            "hostname": name,
            "address": data,
            "record_type": kind,
            "first": format!("2026-08-{day:02}T05:32:29"),
            "last": format!("2026-10-{day:02}T18:16:07"),
            "asn": "AS64500 example hosting",
        })
    });
    let seen: Vec<Value> = seen.collect();
    Answer::new(200, json!({ "count": seen.len(), "passive_dns": seen }))
}

/// What sensors have seen: name, type, data, day of the month.
pub(crate) fn records(asked: &Asked, truth: &Truth) -> Vec<(String, &'static str, String, u32)> {
    if truth.class == Class::Unknown || !truth.seen {
        return Vec::new();
    }
    let record = |number: u32| {
        let nth = 120 + u64::from(number) * 3;
        let (host, day) = (truth.dice.range(nth, 1, 254), truth.dice.range(nth + 1, 1, 28));
        match asked.kind.is_ip() {
            true => (
                format!("host-{host}.example"),
                if asked.value.contains(':') { "AAAA" } else { "A" },
                asked.value.clone(),
                day,
            ),
            false => (asked.value.clone(), "A", format!("198.51.100.{host}"), day),
        }
    };
    // An odd number: half of the answer then always ends within a record.
    (0..truth.dice.range(119, 0, 1) * 2 + 1).map(record).collect()
}
