//! Tracks the objects and arrays inside a record, without recursion.

/// The objects and arrays that contain the cursor.
pub(super) struct OpenLevels {
    /// One bit for each level below the record; 1 means an object. Bit 0 is the innermost level. 127 levels
    /// below the record fit.
    objects: u128,
    /// The number of levels. The record itself is level 1.
    pub depth: u32,
}

impl OpenLevels {
    /// Returns the levels inside a record that contain only the record.
    pub(super) fn new() -> Self {
        Self {
            objects: 0,
            depth: 1,
        }
    }

    /// Opens an object or an array.
    pub(super) fn open(&mut self, is_object: bool) {
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
    }

    /// Closes the innermost level.
    pub(super) fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    /// Returns true if the innermost level below the record is an object.
    pub(super) fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}
