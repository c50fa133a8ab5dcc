-- Whether there is a description is kept, and no longer computed. SQLite takes a row out of the index of a column that is
-- computed from another, and puts it back, whenever that other one is set: one page in three that a change of a
-- description wrote was that index's.
DROP INDEX employers_has_description;
ALTER TABLE employers DROP COLUMN has_description;
ALTER TABLE employers ADD COLUMN has_description INTEGER NOT NULL DEFAULT 0;
UPDATE employers SET has_description = 1 WHERE COALESCE(description, '') <> '';
CREATE INDEX employers_has_description ON employers (has_description, created_at DESC);

CREATE TRIGGER employers_has_description_insert AFTER INSERT ON employers
WHEN NEW.has_description <> (COALESCE(NEW.description, '') <> '') BEGIN
    UPDATE employers SET has_description = COALESCE(NEW.description, '') <> '' WHERE id = NEW.id;
END;
CREATE TRIGGER employers_has_description_update AFTER UPDATE OF description, has_description ON employers
WHEN NEW.has_description <> (COALESCE(NEW.description, '') <> '') BEGIN
    UPDATE employers SET has_description = COALESCE(NEW.description, '') <> '' WHERE id = NEW.id;
END;
