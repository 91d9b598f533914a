//! Label sets. Every value comes from a fixed list or from the configuration.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// How a provider call ended, in the classes of XSOAR's API metrics, refined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestOutcome {
    /// found or clean.
    Success,
    /// not_found.
    NotFound,
    /// Our own budget said no.
    OutOfQuota,
    /// The provider said 429.
    RateLimited,
    /// The provider refused the key.
    AuthError,
    /// No connection, or a 5xx.
    ServiceError,
    /// No answer in time.
    Timeout,
    /// An answer that is not what the interface promises.
    GeneralError,
}

impl RequestOutcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::NotFound,
        Self::OutOfQuota,
        Self::RateLimited,
        Self::AuthError,
        Self::ServiceError,
        Self::Timeout,
        Self::GeneralError,
    ];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::NotFound => "not_found",
            Self::OutOfQuota => "out_of_quota",
            Self::RateLimited => "rate_limited",
            Self::AuthError => "auth_error",
            Self::ServiceError => "service_error",
            Self::Timeout => "timeout",
            Self::GeneralError => "general_error",
        }
    }
}

impl EncodeLabelValue for RequestOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

/// A log of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateLog {
    /// What is known of indicators.
    Assessments,
    /// Which late annotations are owed.
    Pending,
    /// What was spent of the quotas.
    Ledger,
}

impl StateLog {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assessments => "assessments",
            Self::Pending => "pending",
            Self::Ledger => "ledger",
        }
    }
}

macro_rules! label_sets {
    ($($(#[$doc:meta])* $name:ident { $($field:ident : $type:ty),+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
            pub(super) struct $name {
                $(pub(super) $field: $type),+
            }
        )+
    };
}

label_sets! {
    /// A topic of the configuration.
    Topic { topic: String }
    /// A partition of a topic of the configuration.
    Partition { topic: String, partition: i32 }
    /// What left, and how.
    Produced { topic: String, disposition: &'static str, status: &'static str }
    /// What was found, and where.
    Extracted { r#type: &'static str, role: &'static str }
    /// Why something was not looked up.
    List { list: &'static str }
    /// How a cache look-up ended.
    Cached { result: &'static str }
    /// A provider.
    OfProvider { provider: &'static str }
    /// A provider's call.
    Request { provider: &'static str, outcome: RequestOutcome }
    /// A provider's account.
    Account { provider: &'static str, window: &'static str, kind: &'static str }
    /// A window of a provider's account.
    OfWindow { provider: &'static str, window: &'static str }
    /// What a provider was not asked about.
    Unasked { provider: &'static str, reason: &'static str, role: &'static str }
    /// A stage of the way.
    OfStage { stage: &'static str }
    /// A reason.
    OfReason { reason: &'static str }
    /// Why a provider was not asked.
    Skipped { provider: &'static str, reason: &'static str }
    /// A status.
    OfStatus { status: &'static str }
    /// A record of a log of state.
    OfState { log: &'static str, result: &'static str }
    /// The build.
    Build { version: &'static str, revision: &'static str, rustc: &'static str }
}
