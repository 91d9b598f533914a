//! What calls cost, in the units of a provider's own account.
//!
//! Most services count calls. Some sell credits and take more or less of them by what is asked. Windows that slide (second, minute, hour) bound how often a
//! service is called, and there a call is a call; the price counts in the windows of the calendar.

use crate::model::IndicatorKind;

/// A price other than one, of the kinds that have one.
pub type Prices = &'static [(IndicatorKind, u32)];

/// Units of a call, by the kind that it asks about; one unless something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs([u32; IndicatorKind::ALL.len()]);

impl Default for Costs {
    fn default() -> Self {
        Self([1; IndicatorKind::ALL.len()])
    }
}

impl Costs {
    /// The dearest call that may be configured, units.
    pub const MOST: u32 = 1_000_000;

    /// One, but for these.
    pub fn new(prices: &[(IndicatorKind, u32)]) -> Self {
        let mut costs = Self::default();
        for (kind, units) in prices {
            costs.set(*kind, *units);
        }
        costs
    }

    /// A call about this kind costs so many units; none for one that is free.
    pub fn set(&mut self, kind: IndicatorKind, units: u32) {
        if let Some(cost) = self.0.get_mut(kind.index()) {
            *cost = units;
        }
    }

    /// Units of a call about this kind.
    pub fn of(&self, kind: IndicatorKind) -> u32 {
        self.0.get(kind.index()).copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_one_unless_it_is_said_otherwise() {
        let costs = Costs::new(&[(IndicatorKind::Ipv4, 0), (IndicatorKind::Domain, 3)]);
        let of = [IndicatorKind::Ipv4, IndicatorKind::Domain, IndicatorKind::Url].map(|kind| costs.of(kind));
        assert_eq!(of, [0, 3, 1]);
    }
}
