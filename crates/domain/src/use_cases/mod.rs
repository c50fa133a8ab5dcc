//! What the service does, one verb a file. A use case judges, decides, and reaches the outside by
//! ports alone.

mod issue_token;
mod patch_employer;

pub use issue_token::*;
pub use patch_employer::*;
