DROP INDEX employers_name;
