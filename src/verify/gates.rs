//! The limits that a run was held to.

use super::derived::follows;
use super::finding::Finding;
use super::recorded::Recorded;
use crate::error::{Error, Result};
use crate::record::gates::{Gates, MostRejected};
use crate::record::{Gate, GateName, Run, Unit};

impl Recorded {
    /// What the run has in the place of each limit, and whether that passes.
    pub(super) fn gates(&self) -> Option<Finding> {
        let what = "gates";
        let found = match limits(&self.run) {
            Ok(limits) => limits.check(&self.run),
            Err(error) => return Some(Finding::differs(what, error.to_string())),
        };
        if found.is_empty() && self.run.gates.is_empty() {
            return None;
        }
        Some(match follows("gates", &self.run.gates, &found) {
            Ok(fault) => {
                let faults: Vec<_> = fault.into_iter().collect();
                Finding::of(
                    what,
                    &faults,
                    "follow from the limits and the numbers".to_owned(),
                )
            }
            Err(error) => Finding::differs(what, error.to_string()),
        })
    }
}

/// The limits of the record, and of its parameters, which win: a limit that was taken out of the record stands there.
fn limits(run: &Run) -> Result<Gates> {
    let mut limits = Gates::default();
    for Gate {
        name, limit, unit, ..
    } in &run.gates
    {
        let limit = *limit;
        match (name, unit) {
            (GateName::MaxRejected, Unit::Files) => {
                limits.max_rejected = Some(MostRejected::Files(limit as u64));
            }
            (GateName::MaxRejected, _) => limits.max_rejected = Some(MostRejected::Share(limit)),
            (GateName::MinVariance, _) => limits.min_variance = Some(limit),
            (GateName::MinTrust, _) => limits.min_trust = Some(limit),
            (GateName::MinKnnAccuracy, _) => limits.min_knn_accuracy = Some(limit),
        }
    }
    for parameter in run.parameters.iter().filter(|p| !p.value.is_empty()) {
        let number = || {
            let number = parameter.value.parse::<f64>();
            number.map_err(|e| Error::Invalid(format!("parameter `{}`: {e}", parameter.name)))
        };
        let is_this = |gate: &GateName| gate.option() == parameter.name;
        match GateName::ALL.into_iter().find(is_this) {
            Some(GateName::MaxRejected) => limits.max_rejected = Some(parameter.value.parse()?),
            Some(GateName::MinVariance) => limits.min_variance = Some(number()?),
            Some(GateName::MinTrust) => limits.min_trust = Some(number()?),
            Some(GateName::MinKnnAccuracy) => limits.min_knn_accuracy = Some(number()?),
            None => {}
        }
    }
    Ok(limits)
}
