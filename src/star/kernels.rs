//! Chooses the kernels of a model's tables by their rules.

use super::calendar::CalendarKernel;
use super::deliveries::DeliveryKernel;
use super::fact::FactKernel;
use super::pick::PickKernel;
use crate::model::Model;

/// The kernels of all tables of a model.
#[derive(Debug)]
pub struct StarKernels {
    /// The fact table and its lookup.
    pub fact: FactKernel,
    /// The order of the deliveries of an event.
    pub deliveries: DeliveryKernel,
    /// The calendar of the events.
    pub calendar: CalendarKernel,
    /// The tables that are picked from events.
    pub event_picks: Vec<PickKernel>,
    /// The tables that are picked from the records that events are matched with.
    pub lookup_picks: Vec<PickKernel>,
}

impl StarKernels {
    /// Returns the kernels of a model.
    ///
    /// # Panics
    /// Panics if the model is not consistent: rows would be wrong.
    #[expect(clippy::expect_used, reason = "an inconsistent model is a bug")]
    pub fn new(model: &Model) -> Self {
        model.check().expect("the model is consistent");
        let (_, fact_rule) = model.fact();
        let picks = |record: &str| {
            let of_record = model.picks().filter(|(_, rule)| rule.record == record);
            of_record
                .map(|(table, rule)| PickKernel::new(model, table, rule))
                .collect()
        };
        let fact = FactKernel::new(model);
        Self {
            deliveries: DeliveryKernel::new(model, &fact),
            fact,
            calendar: CalendarKernel::new(model),
            event_picks: picks(fact_rule.record),
            lookup_picks: picks(model.lookup().1.record),
        }
    }
}
