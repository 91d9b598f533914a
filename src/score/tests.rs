//! Tables and properties of the score.

use proptest::prelude::*;

use super::*;
use crate::model::{Evidence, FailReason, ProviderId, Reason};

const VT: ProviderId = ProviderId("virustotal");
const ABUSE: ProviderId = ProviderId("abuseipdb");
const MISP: ProviderId = ProviderId("misp");
const SHODAN: ProviderId = ProviderId("shodan");
const URLSCAN: ProviderId = ProviderId("urlscan");
const GSB: ProviderId = ProviderId("safebrowsing");
const BAZAAR: ProviderId = ProviderId("malwarebazaar");
const HASHLOOKUP: ProviderId = ProviderId("hashlookup");
const URLHAUS: ProviderId = ProviderId("urlhaus");
const GREYNOISE: ProviderId = ProviderId("greynoise");

fn says(provider: ProviderId, kind: VerdictKind, evidence: Evidence) -> Source {
    Source { provider, answer: Answer::Verdict(Verdict { kind, evidence, answered_at: 0 }), stale: false }
}

fn found(provider: ProviderId, share: f64) -> Source {
    says(provider, VerdictKind::Found, Evidence { share: Some(share), ..Evidence::default() })
}

fn clean(provider: ProviderId) -> Source {
    says(provider, VerdictKind::Clean, Evidence { share: Some(0.0), ..Evidence::default() })
}

fn not_found(provider: ProviderId) -> Source {
    says(provider, VerdictKind::NotFound, Evidence::default())
}

fn floor(provider: ProviderId, floor: u8) -> Source {
    says(provider, VerdictKind::Found, Evidence { floor: Some(floor), ..Evidence::default() })
}

fn ceiling(provider: ProviderId, ceiling: u8) -> Source {
    says(provider, VerdictKind::Found, Evidence { ceiling: Some(ceiling), ..Evidence::default() })
}

fn throttled(provider: ProviderId) -> Source {
    Source { provider, answer: Answer::Throttled { reason: Reason::Quota, retry_at: None }, stale: false }
}

fn failed(provider: ProviderId) -> Source {
    Source { provider, answer: Answer::Failed { reason: FailReason::Timeout, retry_at: Some(1) }, stale: false }
}

fn skipped(provider: ProviderId) -> Source {
    Source { provider, answer: Answer::Skipped { reason: Reason::Tlp }, stale: false }
}

fn tenth(score: Option<f64>) -> Option<f64> {
    score.map(|score| (score * 10.0).round() / 10.0)
}

#[test]
fn the_example_of_the_contract() {
    let vt =
        says(VT, VerdictKind::Found, Evidence { share: Some(41.0 / 90.0), floor: Some(40), ..Evidence::default() });
    let sources = vec![vt, found(ABUSE, 0.97), floor(MISP, 70), throttled(SHODAN)];
    let assessment = assess(IndicatorKind::Ipv4, sources, &Config::default());
    assert_eq!(assessment.status, Status::Partial);
    assert_eq!((assessment.disposition, assessment.queue), (Disposition::Malicious, Queue::High));
    assert_eq!(assessment.score, Some(70.0));
    assert_eq!((assessment.score_low, assessment.score_high), (Some(70.0), Some(70.0)));
    let contributions: Vec<_> = assessment.contributions.iter().map(|points| tenth(*points)).collect();
    assert_eq!(contributions, [Some(27.3), Some(38.8), None, None]);
}

#[test]
fn scores_by_kind_and_answers() {
    use Disposition as D;
    use IndicatorKind as K;
    use Queue as Q;
    type Row = (
        &'static str,
        IndicatorKind,
        Vec<Source>,
        (Option<f64>, Option<f64>, Option<f64>),
        Disposition,
        Queue,
        Vec<Option<f64>>,
    );
    let one = |score| (Some(score), Some(score), Some(score));
    let none = (None, None, None);
    let rows: Vec<Row> = vec![
        (
            "ip, both",
            K::Ipv6,
            vec![found(VT, 0.5), found(ABUSE, 1.0)],
            one(70.0),
            D::Malicious,
            Q::High,
            vec![Some(30.0), Some(40.0)],
        ),
        (
            "ip, few engines, abuse 100",
            K::Ipv4,
            vec![found(VT, 4.0 / 94.0), found(ABUSE, 1.0)],
            one(42.6),
            D::Suspicious,
            Q::Medium,
            vec![Some(2.6), Some(40.0)],
        ),
        ("ip, both clean", K::Ipv4, vec![clean(VT), clean(ABUSE)], one(0.0), D::Clean, Q::Low, vec![Some(0.0); 2]),
        (
            "ip, abuse alone is renormalised",
            K::Ipv4,
            vec![found(ABUSE, 0.25)],
            one(25.0),
            D::Low,
            Q::Low,
            vec![Some(25.0)],
        ),
        (
            "ip, unknown to one is no term",
            K::Ipv4,
            vec![not_found(VT), found(ABUSE, 0.5)],
            one(50.0),
            D::Suspicious,
            Q::Medium,
            vec![None, Some(50.0)],
        ),
        (
            "ip, one throttled",
            K::Ipv4,
            vec![throttled(VT), clean(ABUSE)],
            (Some(0.0), Some(0.0), Some(60.0)),
            D::Unknown,
            Q::Medium,
            vec![None, Some(0.0)],
        ),
        (
            "ip, low but incomplete",
            K::Ipv4,
            vec![found(VT, 0.2), failed(ABUSE)],
            (Some(20.0), Some(12.0), Some(52.0)),
            D::Low,
            Q::Medium,
            vec![Some(20.0), None],
        ),
        (
            "ip, a missing floor",
            K::Ipv4,
            vec![clean(VT), clean(ABUSE), failed(MISP)],
            (Some(0.0), Some(0.0), Some(70.0)),
            D::Unknown,
            Q::Medium,
            vec![Some(0.0), Some(0.0), None],
        ),
        (
            "ip, skipped is no bound but incomplete",
            K::Ipv4,
            vec![clean(VT), skipped(ABUSE)],
            one(0.0),
            D::Unknown,
            Q::Medium,
            vec![Some(0.0), None],
        ),
        (
            "ip, nobody knows it",
            K::Ipv4,
            vec![not_found(VT), not_found(ABUSE)],
            none,
            D::Unknown,
            Q::Unscored,
            vec![None; 2],
        ),
        (
            "ip, context only",
            K::Ipv4,
            vec![says(SHODAN, VerdictKind::Found, Evidence::default()), not_found(VT)],
            none,
            D::Unknown,
            Q::Unscored,
            vec![None; 2],
        ),
        (
            "ip, a floor without a share",
            K::Ipv4,
            vec![not_found(VT), floor(MISP, 70)],
            one(70.0),
            D::Malicious,
            Q::High,
            vec![None; 2],
        ),
        (
            "ip, nothing yet",
            K::Ipv4,
            vec![throttled(VT), throttled(ABUSE)],
            (None, Some(0.0), Some(100.0)),
            D::Unknown,
            Q::Unscored,
            vec![None; 2],
        ),
        ("nobody is responsible", K::Cve, vec![], none, D::Unknown, Q::Unscored, vec![]),
        ("file", K::Sha256, vec![found(VT, 53.0 / 62.0)], one(85.5), D::Malicious, Q::High, vec![Some(85.5)]),
        (
            "file, floor",
            K::Md5,
            vec![found(VT, 0.05), floor(BAZAAR, 70)],
            one(70.0),
            D::Malicious,
            Q::High,
            vec![Some(5.0), None],
        ),
        (
            "file, ceiling",
            K::Sha1,
            vec![found(VT, 0.5), ceiling(HASHLOOKUP, 39)],
            one(39.0),
            D::Low,
            Q::Low,
            vec![Some(50.0), None],
        ),
        (
            "file, a floor wins over a ceiling",
            K::Sha1,
            vec![found(VT, 0.5), ceiling(HASHLOOKUP, 39), floor(BAZAAR, 70)],
            one(70.0),
            D::Malicious,
            Q::High,
            vec![Some(50.0), None, None],
        ),
        (
            "a ceiling alone is no score",
            K::Sha1,
            vec![not_found(VT), ceiling(HASHLOOKUP, 39)],
            none,
            D::Unknown,
            Q::Unscored,
            vec![None; 2],
        ),
        (
            "url, the best of the others",
            K::Url,
            vec![found(VT, 0.1), found(URLSCAN, 0.5), found(MISP, 1.0), clean(GSB)],
            one(46.0),
            D::Suspicious,
            Q::Medium,
            vec![Some(6.0), Some(0.0), Some(40.0), Some(0.0)],
        ),
        (
            "domain, one of the others missing",
            K::Domain,
            vec![found(VT, 0.5), found(URLSCAN, 0.5), failed(MISP)],
            (Some(50.0), Some(50.0), Some(70.0)),
            D::Suspicious,
            Q::Medium,
            vec![Some(30.0), Some(20.0), None],
        ),
        (
            "domain, only the others",
            K::Domain,
            vec![not_found(VT), found(URLSCAN, 0.3)],
            one(30.0),
            D::Low,
            Q::Low,
            vec![None, Some(30.0)],
        ),
        (
            "just reached despite rounding errors",
            K::Ipv4,
            vec![found(VT, 0.7), found(ABUSE, 0.7)],
            one(70.0),
            D::Malicious,
            Q::High,
            vec![Some(42.0), Some(28.0)],
        ),
    ];
    for (name, kind, sources, (score, low, high), disposition, queue, contributions) in rows {
        let got = assess(kind, sources, &Config::default());
        assert_eq!(tenth(got.score), score, "{name}: score");
        assert_eq!(tenth(got.score_low), low, "{name}: low");
        assert_eq!(tenth(got.score_high), high, "{name}: high");
        assert_eq!((got.disposition, got.queue), (disposition, queue), "{name}");
        let parts: Vec<_> = got.contributions.iter().map(|points| tenth(*points)).collect();
        assert_eq!(parts, contributions, "{name}: contributions");
    }
}

#[test]
fn a_clean_verdict_without_a_share_counts_as_nothing_held_against_it() {
    let sources = vec![says(GSB, VerdictKind::Clean, Evidence::default()), found(VT, 0.5)];
    assert_eq!(assess(IndicatorKind::Url, sources, &Config::default()).score, Some(30.0));
}

#[test]
fn a_stale_verdict_counts_as_answered() {
    let stale = Source { stale: true, ..clean(VT) };
    let got = assess(IndicatorKind::Sha256, vec![stale], &Config::default());
    assert_eq!((got.status, got.disposition), (Status::Complete, Disposition::Clean));
}

#[test]
fn weights_can_be_changed() {
    let weights = |weights: &[(ProviderId, f64)]| Config { weights: weights.to_vec(), ..Config::default() };
    let ip = || vec![found(VT, 1.0), clean(ABUSE), found(GREYNOISE, 1.0), found(MISP, 1.0)];
    let rows = [
        ("defaults", weights(&[]), 60.0),
        ("replaced", weights(&[(VT, 40.0)]), 50.0),
        ("taken away", weights(&[(ABUSE, 0.0)]), 100.0),
        ("no number", weights(&[(ABUSE, f64::NAN)]), 100.0),
        ("a provider outside the formula", weights(&[(GREYNOISE, 100.0)]), 80.0),
        ("of a provider that the formula knows for other kinds only", weights(&[(MISP, 50.0)]), 60.0),
    ];
    for (name, config, score) in rows {
        assert_eq!(assess(IndicatorKind::Ipv4, ip(), &config).score, Some(score), "{name}");
    }
    let config = weights(&[(GREYNOISE, 80.0)]);
    let url = vec![clean(VT), found(URLSCAN, 1.0), found(GREYNOISE, 1.0)];
    let got = assess(IndicatorKind::Url, url, &config);
    assert_eq!(tenth(got.score), Some(57.1), "a candidate of best");
}

#[test]
fn thresholds_can_be_changed() {
    let config = Config { malicious: 50.0, suspicious: 5.0, ..Config::default() };
    let judged = |share| assess(IndicatorKind::Sha256, vec![found(VT, share)], &config).disposition;
    assert_eq!(judged(0.5), Disposition::Malicious);
    assert_eq!(judged(0.05), Disposition::Suspicious);
    assert_eq!(judged(0.04), Disposition::Clean);
}

#[test]
fn an_explanation_names_every_step() {
    let config = Config::default();
    let text = |kind, sources| {
        let assessment = assess(kind, sources, &config);
        let explanation = explain(kind, &assessment, &config);
        assert_eq!(explanation.score, assessment.score);
        let points: Vec<_> = explanation.sources.iter().map(|source| source.points).collect();
        assert_eq!(points, assessment.contributions);
        explanation.to_string()
    };
    let sources = vec![found(VT, 0.5), clean(ABUSE), floor(MISP, 70), ceiling(GREYNOISE, 20)];
    let expected = "  virustotal      found                  0.500 x weight 60 -> 30.0 points
  abuseipdb       clean                  0.000 x weight 40 -> 0.0 points
  misp            found                  context, no term in this formula, floor 70
  greynoise       found                  context, no term in this formula, ceiling 20
  sum     30.0, over weights of 100
  ceiling 20, set by greynoise
  floor   70, set by misp
  score   70.0
";
    assert_eq!(text(IndicatorKind::Ipv4, sources), expected);
    let sources = vec![found(VT, 0.5), found(URLSCAN, 0.3), clean(GSB), failed(MISP), skipped(URLHAUS)];
    let expected = "  virustotal      found                  0.500 x weight 60 -> 30.0 points
  urlscan         found                  0.300 x weight 40 -> 12.0 points
  safebrowsing    clean                  0.000 x weight 40 -> 0.0 points
  misp            failed (timeout)       missing: weight 40, its worst brings a floor of 70
  urlhaus         skipped (tlp)          not counted
  sum     42.0, over weights of 100
  score   42.0, 42.0 to 70.0 when misp has answered
";
    assert_eq!(text(IndicatorKind::Url, sources), expected);
    let sources = vec![found(ABUSE, 0.2), throttled(VT), not_found(SHODAN)];
    let expected = "  abuseipdb       found                  0.200 x weight 40 -> 20.0 points
  virustotal      throttled (quota)      missing: weight 60, its worst brings a floor of 40
  shodan          not_found              context, no term in this formula
  sum     20.0, over weights of 40 of 100: what is not there neither lowers nor raises it
  score   20.0, 8.0 to 68.0 when virustotal has answered
";
    assert_eq!(text(IndicatorKind::Ipv4, sources), expected);
    // What is missing is named where it can move a bound: by a term, or by a floor; context cannot.
    let sources = vec![found(ABUSE, 0.2), throttled(VT), failed(MISP), failed(SHODAN)];
    let expected = "  abuseipdb       found                  0.200 x weight 40 -> 20.0 points
  virustotal      throttled (quota)      missing: weight 60, its worst brings a floor of 40
  misp            failed (timeout)       context, no term in this formula, its worst brings a floor of 70
  shodan          failed (timeout)       context, no term in this formula
  sum     20.0, over weights of 40 of 100: what is not there neither lowers nor raises it
  score   20.0, 8.0 to 70.0 when virustotal, misp have answered
";
    assert_eq!(text(IndicatorKind::Ipv4, sources), expected);
    let expected = "  virustotal      found                  0.500 x weight 60 -> 50.0 points
  shodan          failed (timeout)       context, no term in this formula
  sum     50.0, over weights of 60
  score   50.0
";
    assert_eq!(text(IndicatorKind::Domain, vec![found(VT, 0.5), failed(SHODAN)]), expected);
    let sources = vec![not_found(VT), found(SHODAN, 0.0)];
    let expected = "  virustotal      not_found              not counted
  shodan          found                  context, no term in this formula
  sum     none: no scoring source said found or clean
  score   none
";
    assert_eq!(text(IndicatorKind::Ipv4, sources), expected);
}

fn any_source(provider: ProviderId) -> impl Strategy<Value = Source> {
    let evidence = (
        proptest::option::of(0.0..=1.0f64),
        proptest::option::weighted(0.2, 0u8..=70),
        proptest::option::weighted(0.2, 0u8..=100),
    );
    (0u8..7, evidence).prop_map(move |(which, (share, floor, ceiling))| {
        // No answer brings a higher floor than its provider can: that is what the table of worst floors says.
        let floor = floor.filter(|floor| f64::from(*floor) <= formula::worst_floor(provider));
        let evidence = Evidence { share, floor, ceiling, ..Evidence::default() };
        match which {
            0 | 1 => says(provider, VerdictKind::Found, evidence),
            2 => says(provider, VerdictKind::Clean, Evidence { share: Some(0.0), ..Evidence::default() }),
            3 => not_found(provider),
            4 => throttled(provider),
            5 => failed(provider),
            _ => skipped(provider),
        }
    })
}

fn any_sources() -> impl Strategy<Value = Vec<Source>> {
    let each: Vec<_> = [VT, ABUSE, MISP, SHODAN, URLSCAN, GSB, BAZAAR]
        .into_iter()
        .map(|provider| proptest::option::weighted(0.6, any_source(provider)))
        .collect();
    each.prop_map(|sources| sources.into_iter().flatten().collect())
}

fn any_kind() -> impl Strategy<Value = IndicatorKind> {
    proptest::sample::select(IndicatorKind::ALL.to_vec())
}

proptest! {
    #[test]
    fn bounds_hold(kind in any_kind(), sources in any_sources()) {
        let got = assess(kind, sources, &Config::default());
        for score in [got.score, got.score_low, got.score_high].into_iter().flatten() {
            prop_assert!((0.0..=100.0).contains(&score));
        }
        if let Some(score) = got.score {
            prop_assert!(got.score_low.unwrap() <= score + 1e-9);
            prop_assert!(score <= got.score_high.unwrap() + 1e-9);
            if got.status == Status::Complete {
                prop_assert_eq!(got.score_low, Some(score));
                prop_assert_eq!(got.score_high, Some(score));
            }
        }
        prop_assert_eq!(got.contributions.len(), got.sources.len());
        if got.status != Status::Complete {
            prop_assert_ne!(got.disposition, Disposition::Clean);
            prop_assert_ne!(got.queue, Queue::Low);
        }
        let limited = got.sources.iter().filter_map(|source| source.answer.verdict())
            .any(|verdict| verdict.evidence.floor.is_some() || verdict.evidence.ceiling.is_some());
        if let (Some(score), false) = (got.score, limited) {
            prop_assert!((got.contributions.iter().flatten().sum::<f64>() - score).abs() < 1e-9);
        }
    }

    #[test]
    fn a_higher_share_never_lowers_the_score(
        kind in any_kind(), sources in any_sources(), which in any::<prop::sample::Index>(), more in 0.0..=1.0f64,
    ) {
        prop_assume!(!sources.is_empty());
        let mut raised = sources.clone();
        let at = which.index(raised.len());
        if let Answer::Verdict(verdict) = &mut raised[at].answer
            && let Some(share) = &mut verdict.evidence.share
        {
            *share += (1.0 - *share) * more;
        }
        let before = assess(kind, sources, &Config::default());
        let after = assess(kind, raised, &Config::default());
        prop_assert!(after.score.unwrap_or(0.0) + 1e-9 >= before.score.unwrap_or(0.0));
        prop_assert!(after.disposition >= before.disposition || after.status != Status::Complete);
    }

    #[test]
    fn an_answer_that_arrives_lies_within_the_bounds(
        kind in any_kind(), sources in any_sources(), share in 0.0..=1.0f64,
    ) {
        let before = assess(kind, sources.clone(), &Config::default());
        let arrived = sources.into_iter()
            .map(|source| if is_missing(&source.answer) { found(source.provider, share) } else { source }).collect();
        let after = assess(kind, arrived, &Config::default());
        if let Some(score) = after.score {
            prop_assert!(before.score_low.is_none_or(|low| low <= score + 1e-9));
            prop_assert!(before.score_high.unwrap() + 1e-9 >= score);
        }
    }
}
