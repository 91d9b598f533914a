//! The control face under `/_sim`: log, counters, truth and faults for programs that are not in this process.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{any, get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    model::{IndicatorKind, ProviderId},
    simulator::{Entry, FaultRule, Stats, Truth, server::Shared},
};

type Reply<T> = Result<T, (StatusCode, Json<Value>)>;

/// The routes, relative to `/_sim`.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/log", get(log))
        .route("/stats", get(stats))
        .route("/truth", get(truth))
        .route("/faults", get(list_faults).post(set_fault).delete(clear_faults))
        .route("/reset", post(reset))
        .route("/redirected", any(redirected))
}

async fn log(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let entries = shared.log.lock().entries();
    let lines: String = entries.iter().map(|entry| format!("{}\n", json!(entry))).collect();
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines)
}

async fn stats(State(shared): State<Arc<Shared>>) -> Json<Stats> {
    Json(shared.log.lock().stats())
}

#[derive(Deserialize)]
struct Question {
    kind: String,
    value: String,
}

async fn truth(State(shared): State<Arc<Shared>>, Query(question): Query<Question>) -> Reply<Json<Truth>> {
    let kind = IndicatorKind::parse(&question.kind).ok_or_else(|| wrong(&format!("unknown kind {}", question.kind)))?;
    Ok(Json(shared.config.truths.of(kind, &question.value)))
}

/// A rule for one service, or for all where none is named; without a fault it ends the one in force.
#[derive(Deserialize)]
struct Order {
    provider: Option<String>,
    #[serde(flatten)]
    rest: Value,
}

#[derive(Serialize)]
struct InForce {
    provider: &'static str,
    #[serde(flatten)]
    rule: FaultRule,
}

async fn list_faults(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let rules = shared.faults.rules().into_iter();
    let rules: Vec<_> = rules.map(|(provider, rule)| InForce { provider: provider.as_str(), rule }).collect();
    Json(json!(rules))
}

async fn set_fault(State(shared): State<Arc<Shared>>, Json(order): Json<Order>) -> Reply<Json<Value>> {
    let providers = named(&shared, order.provider.as_deref())?;
    if order.rest.get("fault").is_none_or(Value::is_null) {
        for provider in providers {
            shared.faults.clear(provider);
        }
    } else {
        let rule: FaultRule = serde_json::from_value(order.rest).map_err(|error| wrong(&error.to_string()))?;
        for provider in providers {
            shared.faults.set(provider, rule.clone());
        }
    }
    Ok(list_faults(State(shared)).await)
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.faults.clear_all();
    StatusCode::NO_CONTENT
}

async fn reset(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.reset();
    StatusCode::NO_CONTENT
}

/// Where the redirect fault leads. It answers like a service so that a client that follows would believe it.
async fn redirected(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let entry = Entry {
        time: shared.config.clock.wall_ms(),
        monotonic: shared.config.clock.monotonic(),
        call: 0,
        provider: ProviderId("redirect"),
        method: "GET".into(),
        kind: "other",
        indicator: crate::simulator::render::REDIRECT_PATH.into(),
        status: Some(200),
        fault: None,
        over_quota: false,
    };
    let indicator = (entry.kind, entry.indicator.clone());
    shared.log.lock().push(entry, vec![indicator]);
    Json(json!({ "data": {
        "type": "ip_address",
        "attributes": { "last_analysis_stats": { "harmless": 90 } },
        "abuseConfidenceScore": 0,
        "totalReports": 0,
    } }))
}

fn named(shared: &Shared, provider: Option<&str>) -> Reply<Vec<ProviderId>> {
    let all = shared.faces.iter().map(|face| face.id);
    let Some(name) = provider else { return Ok(all.collect()) };
    let found: Vec<_> = all.filter(|id| id.as_str() == name).collect();
    if found.is_empty() { Err(wrong(&format!("unknown provider {name}"))) } else { Ok(found) }
}

fn wrong(what: &str) -> (StatusCode, Json<Value>) {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": what })))
}
