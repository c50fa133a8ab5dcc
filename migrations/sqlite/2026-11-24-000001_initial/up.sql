-- Times are microseconds since 1970-01-01 UTC: integers compare and add exactly.
-- AUTOINCREMENT: the id of a deleted row is never given to another.

CREATE TABLE images (
    id         INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name       TEXT NOT NULL,
    path       TEXT NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    width      INTEGER NOT NULL CHECK (width > 0),
    height     INTEGER NOT NULL CHECK (height > 0),
    mode       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE thumbnails (
    id       INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    image_id INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
    path     TEXT NOT NULL UNIQUE,
    -- The side of its box in pixels.
    box_side INTEGER CHECK (box_side > 0)
) STRICT;
CREATE INDEX thumbnails_image_id ON thumbnails (image_id);

CREATE TABLE employers (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name        TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 255),
    image_id    INTEGER REFERENCES images,
    description TEXT CHECK (length(description) <= 10000),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    -- Grows by one with every change of what the employer's answer shows.
    version     INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX employers_image_id ON employers (image_id);

CREATE TABLE staff (
    id        INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name      TEXT NOT NULL UNIQUE,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    is_staff  INTEGER NOT NULL CHECK (is_staff IN (0, 1)),
    is_admin  INTEGER NOT NULL CHECK (is_admin IN (0, 1))
) STRICT;

CREATE TABLE staff_permissions (
    staff_id INTEGER NOT NULL REFERENCES staff ON DELETE CASCADE,
    code     INTEGER NOT NULL,
    PRIMARY KEY (staff_id, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    staff_id     INTEGER NOT NULL REFERENCES staff ON DELETE CASCADE,
    -- SHA-256 of the key; the key itself is stored nowhere.
    key_hash     BLOB NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    prefix       TEXT NOT NULL,
    label        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    expires_at   INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX tokens_staff_id ON tokens (staff_id);

-- What is true of the database as a whole, such as that a demo made it.
CREATE TABLE marks (
    name TEXT PRIMARY KEY NOT NULL
) STRICT;
