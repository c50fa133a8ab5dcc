DROP INDEX employers_name;
CREATE INDEX employers_name ON employers (name, search_key);
