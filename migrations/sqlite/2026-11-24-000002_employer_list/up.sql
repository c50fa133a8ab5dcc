-- What the list searches, filters and orders by, each served by an index.

-- What of the name is compared (the domain's SearchKey); null until the service has filled it in.
ALTER TABLE employers ADD COLUMN search_key TEXT;
ALTER TABLE employers ADD COLUMN has_image INTEGER NOT NULL
    GENERATED ALWAYS AS (image_id IS NOT NULL) VIRTUAL;
ALTER TABLE employers ADD COLUMN has_description INTEGER NOT NULL
    GENERATED ALWAYS AS (COALESCE(description, '') <> '') VIRTUAL;

CREATE INDEX employers_created_at ON employers (created_at DESC);
CREATE INDEX employers_updated_at ON employers (updated_at DESC);
CREATE INDEX employers_has_image ON employers (has_image, created_at DESC);
CREATE INDEX employers_has_description ON employers (has_description, created_at DESC);
CREATE INDEX employers_without_search_key ON employers (id) WHERE search_key IS NULL;

-- The grams of every key (the domain's Gram): what starts at each of its characters, in hexadecimal
-- digits. FTS5's own trigrams would keep nothing of words of one or two characters. What is taken out of
-- an index without contents must be told again; that older releases of SQLite can do, too, so that their
-- tools can read and write the file.
CREATE VIRTUAL TABLE employer_search USING fts5(
    grams, content = '', detail = none, tokenize = 'ascii');
-- The places in a key; case folding makes at most three characters of each of the name's 255.
CREATE TABLE employer_search_places (place INTEGER PRIMARY KEY NOT NULL) STRICT;
INSERT INTO employer_search_places
    WITH RECURSIVE places (place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM places WHERE place < 765)
    SELECT place FROM places;

CREATE TRIGGER employers_search_insert AFTER INSERT ON employers WHEN NEW.search_key IS NOT NULL BEGIN
    INSERT INTO employer_search (rowid, grams)
        SELECT NEW.id, group_concat(hex(substr(NEW.search_key, place, 3)), ' ')
        FROM employer_search_places WHERE place <= length(NEW.search_key)
        HAVING NEW.search_key IS NOT NULL;
END;
CREATE TRIGGER employers_search_update AFTER UPDATE OF search_key ON employers
WHEN NEW.search_key IS NOT OLD.search_key BEGIN
    INSERT INTO employer_search (employer_search, rowid, grams)
        SELECT 'delete', OLD.id, group_concat(hex(substr(OLD.search_key, place, 3)), ' ')
        FROM employer_search_places WHERE place <= length(OLD.search_key)
        HAVING OLD.search_key IS NOT NULL;
    INSERT INTO employer_search (rowid, grams)
        SELECT NEW.id, group_concat(hex(substr(NEW.search_key, place, 3)), ' ')
        FROM employer_search_places WHERE place <= length(NEW.search_key)
        HAVING NEW.search_key IS NOT NULL;
END;
CREATE TRIGGER employers_search_delete AFTER DELETE ON employers WHEN OLD.search_key IS NOT NULL BEGIN
    INSERT INTO employer_search (employer_search, rowid, grams)
        SELECT 'delete', OLD.id, group_concat(hex(substr(OLD.search_key, place, 3)), ' ')
        FROM employer_search_places WHERE place <= length(OLD.search_key)
        HAVING OLD.search_key IS NOT NULL;
END;
