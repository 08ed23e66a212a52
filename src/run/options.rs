//! The one table of what a run can be told: [`OPTIONS`].
//!
//! From it are made the command line of `report`, its `FRUITS_*` variables, its file of options, what a record says of
//! them, the command that gives the same numbers again, and what a rerun takes from a record. An option is an entry of the
//! table and whoever uses its value.

mod command;
mod groups;
mod kind;
mod option;
mod table;
mod value;

pub use self::command::command;
pub use self::kind::Kind;
pub use self::option::{InVerify, Role, RunOption};
pub use self::table::{OPTIONS, find};
pub use self::value::Value;
