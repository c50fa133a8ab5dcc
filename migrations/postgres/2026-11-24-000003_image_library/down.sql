DROP INDEX images_without_search_key;
DROP INDEX images_name;
DROP INDEX images_created_at;
ALTER TABLE images DROP COLUMN search_key, DROP COLUMN version, ALTER COLUMN name TYPE text COLLATE "default";
