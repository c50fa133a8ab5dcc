-- SQLite gets an index of names and their keys. PostgreSQL does without: a search by name takes it twice the time of one
-- among a hundredth as many. Both databases have the same migrations.
SELECT;
