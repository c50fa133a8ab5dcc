DROP INDEX employers_search, employers_without_search_key, employers_has_description, employers_updated_hour,
    employers_created_at;
DROP FUNCTION employer_grams(text);
ALTER TABLE employers DROP COLUMN search_key, DROP COLUMN has_description, DROP COLUMN updated_hour;
