DROP TRIGGER employers_has_description_insert;
DROP TRIGGER employers_has_description_update;
DROP INDEX employers_has_description;
ALTER TABLE employers DROP COLUMN has_description;
ALTER TABLE employers ADD COLUMN has_description INTEGER NOT NULL
    GENERATED ALWAYS AS (COALESCE(description, '') <> '') VIRTUAL;
CREATE INDEX employers_has_description ON employers (has_description, created_at DESC);
