DROP TRIGGER employers_count_insert;
DROP TRIGGER employers_count_delete;
DROP TRIGGER images_count_insert;
DROP TRIGGER images_count_delete;
DROP TABLE row_counts;
