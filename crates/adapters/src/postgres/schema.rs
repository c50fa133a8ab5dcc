//! The tables, as `migrations/postgres` makes them.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    employers (id) {
        id -> BigInt,
        name -> Text,
        image_id -> Nullable<BigInt>,
        description -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> BigInt,
        search_key -> Nullable<Text>,
        has_description -> Bool,
        updated_hour -> Timestamptz,
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
        created_at -> Timestamptz,
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
        created_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
        expires_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
    }
}

table! {
    marks (name) {
        name -> Text,
    }
}

table! {
    row_counts (id) {
        id -> BigInt,
        relation -> Text,
        number -> BigInt,
    }
}

joinable!(staff_permissions -> staff (staff_id));
joinable!(tokens -> staff (staff_id));
allow_tables_to_appear_in_same_query!(employers, images, thumbnails);
allow_tables_to_appear_in_same_query!(staff, staff_permissions, tokens);
