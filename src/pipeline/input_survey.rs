//! Looks at an input without reading it.

use std::io::Read;

use super::listed_input::ListedInput;
use super::listing::InputArgument;
use super::timings::Timings;
use crate::error::{Error, Result};
use crate::input::{InputSpec, RecordKind};
use crate::storage::{ObjectRange, StoreOpener};

/// The objects of an input, as a run would list them.
pub(crate) struct InputSurvey {
    listed: ListedInput,
}

impl InputSurvey {
    /// Lists an input. `argument` is the name of its argument, for messages.
    ///
    /// # Errors
    /// Returns the error of a run that cannot list it.
    pub(crate) fn list(
        stores: &StoreOpener,
        kind: RecordKind,
        argument: &'static str,
        spec: &InputSpec,
    ) -> Result<Self> {
        let argument = InputArgument {
            kind,
            name: argument,
            spec,
        };
        let listed = ListedInput::list(stores, argument, None, &Timings::default())?;
        Ok(Self { listed })
    }

    /// Returns the number of objects.
    pub(crate) fn objects(&self) -> u64 {
        self.listed.objects.len() as u64
    }

    /// Returns the size of all objects in bytes, as stored.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.listed.objects.iter().map(|object| object.meta.size);
        sizes.sum()
    }

    /// Reads the first byte of the last object that is not empty, which is usually the newest, and returns its name.
    /// Returns `None` if all objects are empty.
    ///
    /// # Errors
    /// Returns an error if the object cannot be read.
    pub(crate) fn read_one(&self) -> Result<Option<String>> {
        let mut objects = self.listed.objects.iter().rev();
        let Some(object) = objects.find(|object| object.meta.size > 0) else {
            return Ok(None);
        };
        let store = &self.listed.stores[object.location_index as usize];
        let name = store.display(&object.meta.key);
        let mut reader = store.read_ranges(vec![ObjectRange {
            object: object.meta.clone(),
            start: 0,
            expected_end: 1,
        }]);
        reader.next_range()?;
        let read = reader.read_exact(&mut [0]);
        read.map_err(|e| Error::io("cannot read", name.as_ref(), e))?;
        Ok(Some(name))
    }
}
