//! What the service does, one verb a file. A use case judges, decides, and reaches the outside by
//! ports alone.

mod create_employer;
mod delete_employer;
mod employer_error;
mod get_employer;
mod issue_token;
mod list_employers;
mod patch_employer;

pub use create_employer::*;
pub use delete_employer::*;
pub use employer_error::EmployerError;
pub use get_employer::*;
pub use issue_token::*;
pub use list_employers::*;
pub use patch_employer::*;
