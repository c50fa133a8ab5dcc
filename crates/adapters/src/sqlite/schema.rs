//! The tables, as `migrations/sqlite` makes them; times are microseconds since 1970.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    employers (id) {
        id -> BigInt,
        name -> Text,
        image_id -> Nullable<BigInt>,
        description -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
        search_key -> Nullable<Text>,
        has_image -> Bool,
        has_description -> Bool,
    }
}

table! {
    images (id) {
        id -> BigInt,
        name -> Text,
        path -> Text,
        size_bytes -> BigInt,
        width -> Integer,
        height -> Integer,
        mode -> Text,
        created_at -> BigInt,
        version -> BigInt,
        search_key -> Nullable<Text>,
    }
}

table! {
    thumbnails (id) {
        id -> BigInt,
        image_id -> BigInt,
        path -> Text,
        box_side -> Nullable<Integer>,
    }
}

table! {
    staff (id) {
        id -> BigInt,
        name -> Text,
        is_active -> Bool,
        is_staff -> Bool,
        is_admin -> Bool,
    }
}

table! {
    staff_permissions (staff_id, code) {
        staff_id -> BigInt,
        code -> Integer,
    }
}

table! {
    tokens (id) {
        id -> BigInt,
        staff_id -> BigInt,
        key_hash -> Binary,
        prefix -> Text,
        label -> Text,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

table! {
    marks (name) {
        name -> Text,
    }
}

table! {
    row_counts (relation) {
        relation -> Text,
        number -> BigInt,
    }
}

joinable!(employers -> images (image_id));
joinable!(thumbnails -> images (image_id));
joinable!(staff_permissions -> staff (staff_id));
joinable!(tokens -> staff (staff_id));
allow_tables_to_appear_in_same_query!(employers, images, thumbnails);
allow_tables_to_appear_in_same_query!(staff, staff_permissions, tokens);

/// Names what of a table is read, in the order of a row of `crate::rows`.
macro_rules! read_columns {
    ($($(#[$doc:meta])* $name:ident = $table:ident: $($column:ident),+;)+) => {
        $($(#[$doc])* pub(super) const $name: ($($table::$column,)+) = ($($table::$column,)+);)+
    };
}

read_columns! {
    /// An `EmployerRow`.
    EMPLOYER = employers: id, name, image_id, description, created_at, updated_at, version;
    /// An `ImageRow`.
    IMAGE = images: id, name, path, size_bytes, width, height, mode, version;
    /// A `ThumbnailRow`.
    THUMBNAIL = thumbnails: id, path, box_side;
}
