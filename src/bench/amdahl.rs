//! The serial share: what only one thread can do at a time, and what that leaves for more cores.
//!
//! Amdahl's law: if a share `s` of one thread's time cannot be shared, `n` cores are at most
//! `1 / (s + (1 - s) / n)` times as fast. It is an upper bound. Neither the memory nor the disk that
//! all cores use together is in it, nor the time in which one waits for another.

use serde::Serialize;

use crate::pipeline::Phase;

/// The numbers of cores that the bound is told for.
const CORES: [usize; 2] = [16, 64];

/// What only one thread can do at a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SerialFraction {
    /// Seconds on one thread.
    pub seconds: f64,
    /// The same as a share of all seconds on one thread, from 0 to 1.
    pub share: f64,
    /// What more cores can bring.
    pub at_most: Vec<SpeedupBound>,
}

/// How many times as fast as on one thread so many cores can be at most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SpeedupBound {
    /// Cores.
    pub cores: usize,
    /// By Amdahl's law: phases that threads can share are shared by all cores.
    pub speed_up: f64,
    /// The same with no more cores in a phase than it has pieces of work.
    pub speed_up_by_pieces: f64,
}

impl SerialFraction {
    /// What follows from the phases of a run on one thread.
    pub fn of(phases: &[Phase]) -> Self {
        // How long the phases would take if `cores` of them could share one with so many pieces.
        let seconds = |cores: &dyn Fn(Option<usize>) -> usize| -> f64 {
            let on = |phase: &Phase| phase.seconds / cores(phase.pieces).max(1) as f64;
            phases.iter().map(on).sum()
        };
        let whole = seconds(&|_| 1);
        let serial = phases.iter().filter(|phase| phase.pieces == Some(1));
        let serial: f64 = serial.map(|phase| phase.seconds).sum();
        let at_most = CORES.map(|cores| SpeedupBound {
            cores,
            speed_up: whole
                / seconds(&|pieces| match pieces {
                    Some(1) => 1,
                    _ => cores,
                }),
            speed_up_by_pieces: whole
                / seconds(&|pieces| pieces.map_or(cores, |pieces| pieces.min(cores))),
        });
        Self {
            seconds: serial,
            share: serial / whole,
            at_most: at_most.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(seconds: f64, pieces: impl Into<Option<usize>>) -> Phase {
        Phase {
            name: "phase",
            seconds,
            pieces: pieces.into(),
        }
    }

    /// The bounds at 16 and at 64 cores.
    fn bounds(phases: &[Phase], bound: fn(&SpeedupBound) -> f64) -> Vec<f64> {
        SerialFraction::of(phases)
            .at_most
            .iter()
            .map(bound)
            .collect()
    }

    #[test]
    fn amdahls_law_for_a_tenth() {
        let phases = [phase(1.0, 1), phase(6.0, None), phase(3.0, 1000)];
        let serial = SerialFraction::of(&phases);
        assert_eq!((serial.seconds, serial.share), (1.0, 0.1));
        let law = |n: f64| 10.0 / (1.0 + 9.0 / n);
        assert_eq!(bounds(&phases, |at| at.speed_up), [law(16.0), law(64.0)]);
        let by_pieces = bounds(&phases, |at| at.speed_up_by_pieces);
        assert_eq!(by_pieces, [law(16.0), law(64.0)]);
    }

    #[test]
    fn no_more_threads_than_pieces() {
        let phases = [phase(8.0, 32)];
        assert_eq!(SerialFraction::of(&phases).share, 0.0);
        assert_eq!(bounds(&phases, |at| at.speed_up), [16.0, 64.0]);
        assert_eq!(bounds(&phases, |at| at.speed_up_by_pieces), [16.0, 32.0]);
    }

    #[test]
    fn nothing_can_be_shared() {
        let phases = [phase(2.0, 1), phase(3.0, 1)];
        assert_eq!(SerialFraction::of(&phases).share, 1.0);
        assert_eq!(bounds(&phases, |at| at.speed_up), [1.0, 1.0]);
        assert_eq!(bounds(&phases, |at| at.speed_up_by_pieces), [1.0, 1.0]);
    }
}
