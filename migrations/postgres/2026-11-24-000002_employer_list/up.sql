-- What the list searches, filters and orders by, each served by an index.

ALTER TABLE employers
    -- What of the name is compared (the domain's SearchKey); null until the service has filled it in.
    ADD COLUMN search_key text COLLATE "C",
    ADD COLUMN has_description boolean NOT NULL
        GENERATED ALWAYS AS (COALESCE(description, '') <> '') STORED,
    -- An index of updated_at itself would move with every update, and cost a quarter of them (measured);
    -- one of its hour stays where it is while an employer is changed again within the hour.
    ADD COLUMN updated_hour timestamptz NOT NULL
        GENERATED ALWAYS AS (date_bin('1 hour', updated_at, timestamptz '2000-01-01 00:00:00+00')) STORED;

CREATE INDEX employers_created_at ON employers (created_at DESC, id);
CREATE INDEX employers_updated_hour ON employers (updated_hour);
CREATE INDEX employers_has_description ON employers (has_description);
CREATE INDEX employers_without_search_key ON employers (id) WHERE search_key IS NULL;

-- The grams of a key (the domain's Gram): what starts at each of its characters, in hexadecimal digits.
-- The extension pg_trgm would do this, but it may be missing, keeps nothing of words of one or two
-- characters, and, where the database's locale is C, nothing of any script but Latin.
CREATE FUNCTION employer_grams(key text) RETURNS tsvector
    -- What it costs (measured): else small tables are read whole, and it is called for every row.
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 2000 AS $$
BEGIN
    RETURN array_to_tsvector(ARRAY(
        SELECT DISTINCT encode(convert_to(substr(key, start, 3), 'UTF8'), 'hex')
        FROM generate_series(1, char_length(key)) AS start));
END
$$;
-- A search reads all that waits to be put in order, so no more waits than a few hundred names.
CREATE INDEX employers_search ON employers USING gin (employer_grams(search_key))
    WITH (gin_pending_list_limit = 256);
