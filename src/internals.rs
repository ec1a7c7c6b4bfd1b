//! Parts of the engine for its own benches, fuzz targets, tests and test servers. They are not part of the public
//! interface and change without notice.

pub mod decode {
    //! Bytes to record batches.

    pub use crate::decode::{DecodeStatus, Decoder, InputChunk, InputState, RecordCounts};

    pub mod lexer {
        pub use crate::decode::lexer::is_number;
    }
    pub mod padded_bytes {
        pub use crate::decode::padded_bytes::PADDING;
    }
    pub mod reject {
        pub use crate::decode::reject::{Reject, RejectReason};
    }
    pub mod sniff {
        pub use crate::decode::sniff::RecordLayout;
    }
    pub mod value {
        pub use crate::decode::value::{ValueError, parse_double, parse_integer, unescape};
    }
}

pub mod model {
    //! The description of the star schema.

    pub use crate::model::{
        AddedColumn, CalendarPart, ColumnSchema, ColumnType, Distribution, EngineValue, FactRule,
        FieldType, LookupRule, Model, OrderTerm, PickRule, RecordField, RecordFilter, RecordSchema,
        RedshiftLayout, Reference, TableRule, TableSchema, ValueSource,
    };

    pub mod sparkify {
        pub use crate::model::sparkify::{
            ARTISTS, EVENT_RECORD, LOAD_HISTORY, SONG_RECORD, SONGPLAYS, SONGS, SOURCE_OBJECTS,
            SPARKIFY, STATE_ARTISTS, STATE_SONGPLAYS, STATE_SONGS, STATE_USERS, TIME, USERS,
        };
    }
}

pub mod output {
    //! Rows to Parquet, and what Redshift needs to read the input by itself.

    pub use crate::output::raw_staging::{
        GivenJsonPaths, RawCopy, RawObject, RawSource, RawStagingPlan,
    };
    pub use crate::output::{PartInfo, PartWriter};
}

pub mod pipeline {
    //! The input of a run.

    pub use crate::pipeline::{RawInput, list_raw_input};
}

pub mod star {
    //! Record batches to the rows of the tables.

    pub use crate::star::fact::FactRows;
    pub use crate::star::kernels::StarKernels;
    pub use crate::star::lookup::{LOOKUP_SHARDS, Lookup, LookupOutput, LookupShard};
    pub use crate::star::lookup_kernel::LookupKernel;
    pub use crate::star::pick::{PickKernel, TableRows};
    pub use crate::star::pick_state::{PickDelta, PickDeltaShard, PickedRows};
    pub use crate::star::record_columns::RecordColumns;
}

pub mod storage {
    //! The stores.

    pub use crate::storage::{
        ListMode, LocalStore, MemoryStore, ObjectMeta, ObjectRange, ObjectVersion, PutMode,
        PutResult, RangeReader, Store, StoreOpener,
    };
}

pub mod warehouse {
    //! Connections and SQL.

    pub mod connect {
        pub use crate::warehouse::connect::error::{
            ErrorClass, StatementError, copy_error, statement_error,
        };
        pub use crate::warehouse::connect::session::WarehouseSession;
    }
    pub mod sql {
        pub use crate::warehouse::sql::generator::{SqlScript, sql_scripts};
    }
}
