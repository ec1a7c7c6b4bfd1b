//! Computes the serial fraction of a run, and how far it limits the speedup on more cores.
//!
//! Amdahl's law: if a fraction `s` of the single-thread time cannot run in parallel, `n` cores are at most
//! `1 / (s + (1 - s) / n)` times as fast. This is an upper bound. It ignores contention for memory and disk,
//! and the time that threads wait for each other.

use serde::Serialize;

use crate::pipeline::PhaseTiming;

/// The numbers of cores that the bounds are computed for.
const CORE_COUNTS: [usize; 2] = [16, 64];

/// The part of a run that only one thread can work on at a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SerialFraction {
    /// Seconds of the phases that have one task, in a run on one thread.
    pub seconds: f64,
    /// These seconds as a share of all seconds of that run, from 0 to 1.
    pub share: f64,
    /// The largest speedups that more cores can reach.
    pub speedup_bounds: Vec<SpeedupBound>,
}

/// How many times as fast as on one thread a run can be at most on a number of cores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct SpeedupBound {
    /// The number of cores.
    pub cores: usize,
    /// The bound by Amdahl's law: all cores work on every phase with more than one task.
    pub speedup: f64,
    /// The bound if no phase can use more cores than it has tasks.
    pub speedup_bound_by_tasks: f64,
}

impl SerialFraction {
    /// Computes the fraction and the bounds from the phases of a run on one thread.
    pub(crate) fn from_phases(phases: &[PhaseTiming]) -> Self {
        // How long the run takes if `cores(tasks)` cores share each phase.
        let seconds = |cores: &dyn Fn(Option<usize>) -> usize| -> f64 {
            let phase_seconds =
                |phase: &PhaseTiming| phase.seconds / cores(phase.tasks).max(1) as f64;
            phases.iter().map(phase_seconds).sum()
        };
        let total = seconds(&|_| 1);
        let serial = phases.iter().filter(|phase| phase.tasks == Some(1));
        let serial: f64 = serial.map(|phase| phase.seconds).sum();
        let speedup_bounds = CORE_COUNTS.map(|cores| SpeedupBound {
            cores,
            speedup: total
                / seconds(&|tasks| match tasks {
                    Some(1) => 1,
                    _ => cores,
                }),
            speedup_bound_by_tasks: total
                / seconds(&|tasks| tasks.map_or(cores, |tasks| tasks.min(cores))),
        });
        Self {
            seconds: serial,
            share: serial / total,
            speedup_bounds: speedup_bounds.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(seconds: f64, tasks: impl Into<Option<usize>>) -> PhaseTiming {
        PhaseTiming {
            name: "phase",
            seconds,
            tasks: tasks.into(),
        }
    }

    /// Returns a bound at 16 and at 64 cores.
    fn bounds(phases: &[PhaseTiming], bound: fn(&SpeedupBound) -> f64) -> Vec<f64> {
        SerialFraction::from_phases(phases)
            .speedup_bounds
            .iter()
            .map(bound)
            .collect()
    }

    #[test]
    fn bounds_follow_amdahls_law() {
        let phases = [phase(1.0, 1), phase(6.0, None), phase(3.0, 1000)];
        let serial = SerialFraction::from_phases(&phases);
        assert_eq!((serial.seconds, serial.share), (1.0, 0.1));
        let law = |n: f64| 10.0 / (1.0 + 9.0 / n);
        assert_eq!(bounds(&phases, |at| at.speedup), [law(16.0), law(64.0)]);
        let by_tasks = bounds(&phases, |at| at.speedup_bound_by_tasks);
        assert_eq!(by_tasks, [law(16.0), law(64.0)]);
    }

    #[test]
    fn bound_by_tasks_is_capped_at_task_count() {
        let phases = [phase(8.0, 32)];
        assert_eq!(SerialFraction::from_phases(&phases).share, 0.0);
        assert_eq!(bounds(&phases, |at| at.speedup), [16.0, 64.0]);
        assert_eq!(
            bounds(&phases, |at| at.speedup_bound_by_tasks),
            [16.0, 32.0]
        );
    }

    #[test]
    fn serial_run_has_no_speedup() {
        let phases = [phase(2.0, 1), phase(3.0, 1)];
        assert_eq!(SerialFraction::from_phases(&phases).share, 1.0);
        assert_eq!(bounds(&phases, |at| at.speedup), [1.0, 1.0]);
        assert_eq!(bounds(&phases, |at| at.speedup_bound_by_tasks), [1.0, 1.0]);
    }
}
