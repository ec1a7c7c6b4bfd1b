//! COPY … FORMAT AS JSON.

mod decompression;
mod field_value;
mod load;
mod mapping;
mod number_spelling;
mod path_file;
mod record_decoder;
mod record_reader;
mod utf8;

pub use load::JsonCopy;
