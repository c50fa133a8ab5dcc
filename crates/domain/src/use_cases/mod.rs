//! What the service does, one verb a file. A use case judges, decides, and reaches the outside by
//! ports alone.

mod collect_garbage;
mod create_employer;
mod delete_employer;
mod delete_image;
mod employer_error;
mod get_employer;
mod get_image;
mod image_error;
mod image_files;
mod issue_token;
mod list_employers;
mod list_images;
mod patch_employer;
mod plant_demo;
mod rebuild_thumbnails;
mod rename_image;
mod upload_image;

pub use collect_garbage::*;
pub use create_employer::*;
pub use delete_employer::*;
pub use delete_image::*;
pub use employer_error::EmployerError;
pub use get_employer::*;
pub use get_image::*;
pub use image_error::ImageError;
pub use issue_token::*;
pub use list_employers::*;
pub use list_images::*;
pub use patch_employer::*;
pub use plant_demo::*;
pub use rebuild_thumbnails::*;
pub use rename_image::*;
pub use upload_image::*;
