-- What images are searched and ordered by, and a count of the states that each has been in.

-- Grows by one with every change of what the image's answer shows.
ALTER TABLE images ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
-- What of the name is compared (the domain's SearchKey); null until the service has filled it in.
ALTER TABLE images ADD COLUMN search_key TEXT;

CREATE INDEX images_created_at ON images (created_at DESC, id);
CREATE INDEX images_name ON images (name, id);
CREATE INDEX images_without_search_key ON images (id) WHERE search_key IS NULL;
