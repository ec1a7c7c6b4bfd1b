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
        CalendarPart, ColumnSchema, ColumnType, Distribution, FactRule, FieldType, LookupRule,
        Model, OrderTerm, PickRule, RecordField, RecordFilter, RecordSchema, RedshiftLayout,
        Reference, TableRule, TableSchema, ValueSource,
    };

    pub mod sparkify {
        pub use crate::model::sparkify::{
            ARTISTS, EVENT_RECORD, LOAD_HISTORY, SONG_RECORD, SONGPLAYS, SONGS, SOURCE_OBJECTS,
            SPARKIFY, STATE_ARTISTS, STATE_SONGPLAYS, STATE_SONGS, STATE_USERS, TIME, USERS,
        };
    }
}

pub mod output {
    //! Rows to Parquet.

    pub use crate::output::{PartInfo, PartWriter};
}

pub mod star {
    //! Record batches to the rows of the tables.

    pub mod song_lookup {
        pub use crate::star::song_lookup::{
            ArtistIds, LOOKUP_SHARDS, SongIds, SongLookup, SongLookupShard, hash_keys,
        };
    }
    pub mod songplays {
        pub use crate::star::songplays::{build_songplays, compute_songplay_ids};
    }
    pub mod songs_and_artists {
        pub use crate::star::songs_and_artists::{build_artists, build_songs};
    }
    pub mod time_dimension {
        pub use crate::star::time_dimension::build_time;
    }
    pub mod typed_batches {
        pub use crate::star::typed_batches::{EventBatch, SongBatch};
    }
    pub mod users {
        pub use crate::star::users::{LatestUsers, UserDelta};
    }
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
